"""The services that acceptance tests talk to: started for a test file, stopped after it."""

import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.acceptance.project import Project
from tests.acceptance.services import ON_MYSQL, Services

USERS = ("alice", "bob", "carol")
PATIENCE_MS = 60_000  # what is expected of a page may take its time on a busy machine
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SERVICES = {"quotes": "examples.quotes.settings", "likes": "tests.acceptance.ledger.likes_settings"}


def pytest_collection_modifyitems(items):
    """Everything below this folder runs real processes."""
    for item in items:
        if "tests/acceptance" in item.nodeid:
            item.add_marker("acceptance")


def side_by_side(do, projects):
    """Do it for all projects at once: most of it is waiting for another process."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(do, projects))


def _close(services):
    with ExitStack() as stack:  # each, also when another does not obey
        for project in services.projects:
            stack.callback(project.close)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A SQLite file with all tables and users, made once: each test gets a copy."""
    folder = tmp_path_factory.mktemp("prepared")
    Project(folder, {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}).prepare(*USERS)
    return folder / "db.sqlite3"


@pytest.fixture(scope="session")
def prepared_on_postgres(postgres_server, tmp_path_factory):
    """A PostgreSQL database for each service with its tables and users, made once: each test gets a copy."""
    for service, module in SERVICES.items():
        settings = {"DJANGO_SETTINGS_MODULE": module}
        url = {"DATABASE_URL": postgres_server.url(f"prepared_{service}")}
        Project(tmp_path_factory.mktemp(service), settings | url).prepare(*USERS)
    return postgres_server


@pytest.fixture
def together(tmp_path, prepared):
    """Both services in one process, not yet started: SQLite and the embedded broker."""
    shutil.copy(prepared, tmp_path / "db.sqlite3")
    url = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    project = Project(tmp_path, url | {"EVENTS_EMBEDDED_FOLDER": str(tmp_path / "embedded")})
    services = Services(project, project, "/likes")
    yield services
    _close(services)
    project.manage("events_broker", "--stop", check=False)


def _apart(folder, kafka_server, url_of):
    run = uuid.uuid4().hex[:8]
    quotes, likes = (
        Project(
            folder / service,
            {
                "DJANGO_SETTINGS_MODULE": module,
                "DATABASE_URL": url_of(service, run),
                "EVENTS_BOOTSTRAP_SERVERS": kafka_server.address,
                "EVENTS_PREFIX": f"{run}.",
                "EVENTS_REPLICATION": "1",
            },
        )
        for service, module in SERVICES.items()
    )
    side_by_side(lambda project: project.manage("events_topics", "--apply"), (quotes, likes))
    return Services(quotes, likes)


@pytest.fixture
def apart(tmp_path, kafka_server, prepared_on_postgres):
    """Each service in its own process, not yet started: two PostgreSQL databases and real Kafka."""
    url = prepared_on_postgres.url
    services = _apart(tmp_path, kafka_server, lambda name, run: url(f"{name}_{run}", like=f"prepared_{name}"))
    yield services
    _close(services)


@pytest.fixture
def apart_on_mysql(tmp_path, kafka_server, mysql_server):
    """The same on two databases of MariaDB."""
    services = _apart(tmp_path, kafka_server, lambda name, run: mysql_server.url(f"{name}_{run}"))
    side_by_side(lambda project: project.prepare(*USERS), services.projects)
    yield services
    _close(services)


@pytest.fixture(params=["apart", ON_MYSQL])
def two_processes(request):
    """Quotes and Likes, not yet started, on real Kafka: each with its own PostgreSQL, or where asked for MariaDB."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["together", "apart"])
def services(request):
    """Quotes and Likes, started: in one process on the embedded broker, then in two on real Kafka.

    A test that is worth its time on MariaDB too names all three: `parametrize("services", [...], indirect=True)`.
    """
    chosen = request.getfixturevalue(request.param)
    side_by_side(Project.start, chosen.projects)
    return chosen


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip(f"no Chromium: install one of {', '.join(CHROMIUM)}")
    with playwright.sync_playwright() as started:
        playwright.expect.set_options(timeout=PATIENCE_MS)
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = started.chromium.launch(executable_path=found, args=arguments, timeout=PATIENCE_MS)
        yield browser
        browser.close()
