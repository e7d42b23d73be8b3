"""FastAPI beside Django under a real uvicorn: its pages, both lifespans, Django's session, and the connections."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import psycopg
import pytest

from examples.with_fastapi.api import THREADS
from tests.acceptance.project import PASSWORD, Project
from tests.waiting import until_sync

APPLICATION = "examples.with_fastapi.asgi:application"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.acceptance.logging_settings"}
LISTS = ["/api/permissions/sync", "/api/permissions/async"]
ASYNC_ORM = 1  # asgiref's one thread
ENDED_MS = 30_000
# Without those of autovacuum, which comes by itself.
OF_CLIENTS = "FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


@pytest.fixture
def beside(together):
    """Quotes, Likes and the API in one process, on SQLite and the embedded broker."""
    together.quotes.application = APPLICATION
    together.quotes.environment |= SETTINGS
    together.quotes.start()
    return together


@pytest.fixture
def on_postgres(tmp_path, postgres_server):
    """A function that starts the API alone on PostgreSQL, with these settings of connections."""
    name = "with_fastapi"
    environment = SETTINGS | {"DATABASE_URL": postgres_server.url(name), "EVENTS_RUN": "none"}
    project = Project(tmp_path, environment, application=APPLICATION)
    project.environment["EVENTS_EMBEDDED_FOLDER"] = str(tmp_path / "embedded")

    def start(**connections):
        project.environment |= connections
        project.manage("migrate", "--verbosity=0")
        project.start(path=LISTS[0])
        return project, Server(postgres_server.url("postgres"), name)

    yield start
    project.close()
    project.manage("events_broker", "--stop", check=False)


class Server:
    """What PostgreSQL says of the connections to one database."""

    def __init__(self, url, name):
        self.url, self.name = url, name

    def connections(self):
        """How many are open."""
        return self._all(f"SELECT count(*) {OF_CLIENTS}")[0][0]

    def cut(self):
        """End them all, as a restart of the server would. Returns how many there were."""
        ended = self._all(f"SELECT pg_terminate_backend(pid, {ENDED_MS}) {OF_CLIENTS}")
        return len(ended)

    def _all(self, query):
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, [self.name]).fetchall()


def signed_in(project, username):
    """A browser in which somebody has signed in at Django's page."""
    browser = httpx.Client(base_url=project.address, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/login/").text)[1]
    form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert browser.post("/login/", data=form).status_code == 302
    return browser


def calls(project, paths, times):
    """Call each path so often, side by side; return how often each status came."""
    asked = [path for path in paths for _ in range(times)]
    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda path: project.ask("GET", path).status, asked))
    return {status: statuses.count(status) for status in statuses}


def test_the_api_has_its_pages_and_its_lifespan_runs_inside_ours(beside):
    project = beside.quotes

    page, described = project.ask("GET", "/api/docs"), project.ask("GET", "/api/openapi.json")
    lists = [project.ask("GET", path).body for path in (*LISTS, "/permissions/sync/", "/permissions/async/")]
    code = project.stop()

    assert "'/api/openapi.json'" in page.body
    assert described.body["servers"] == [{"url": "/api"}]
    assert lists[0]["items"]
    assert lists == [lists[0]] * 4
    assert code in (0, -15)  # uvicorn ends itself with the signal that it caught
    assert "Traceback" not in project.log
    order = ["This process sends.", "The API is up", "Application startup complete", "The API is closed"]
    places = [project.log.index(line) for line in [*order, "Application shutdown complete"]]
    assert places == sorted(places)


def test_who_signed_in_at_django_likes_through_the_api_and_the_like_travels(beside):
    quote_id = beside.create("Know thyself.").body["id"]
    beside.wait_for_copy(quote_id)
    like = f"/api/quotes/{quote_id}/like"

    with closing(signed_in(beside.quotes, "bob")) as browser:
        me = browser.get("/api/me").json()
        token = {"X-CSRFToken": browser.get("/session/").json()["csrf_token"]}
        statuses = [browser.post(like, headers=headers).status_code for headers in ({}, token, token)]

    assert me == {"username": "bob"}
    assert statuses == [403, 201, 409]
    assert beside.quotes.ask("GET", "/api/me").status == 401
    beside.wait_for_likes(quote_id, 1)


def test_no_connection_stays_after_many_calls(on_postgres):
    project, server = on_postgres()

    statuses = calls(project, LISTS, 100)

    assert statuses == {200: 200}
    until_sync(lambda: server.connections() == 0)


def test_connections_that_may_stay_are_one_a_thread(on_postgres):
    project, server = on_postgres(CONN_MAX_AGE="600")

    statuses = calls(project, LISTS, 100)

    assert statuses == {200: 200}
    assert 1 <= server.connections() <= THREADS + ASYNC_ORM


@pytest.mark.parametrize("path", LISTS)
def test_after_a_cut_only_the_first_call_fails_as_in_django(on_postgres, path):
    project, server = on_postgres(CONN_MAX_AGE="600")
    assert project.ask("GET", path).status == 200

    assert server.cut() >= 1

    assert [project.ask("GET", path).status for _ in range(4)] == [500, 200, 200, 200]


def test_with_health_checks_no_call_fails_after_a_cut(on_postgres):
    project, server = on_postgres(CONN_MAX_AGE="600", CONN_HEALTH_CHECKS="1")
    calls(project, LISTS, 40)

    assert server.cut() >= 2

    assert calls(project, LISTS, 40) == {200: 80}
