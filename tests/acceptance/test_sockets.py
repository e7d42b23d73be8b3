"""Sockets with Channels on real servers: who is let in, a like that comes from another process, and a stop."""

import shutil
import signal
import time
import uuid
from contextlib import ExitStack

import pytest
from websockets.exceptions import InvalidStatus

from tests.acceptance.services import Services
from tests.acceptance.sockets import SERVERS, SocketProject, Visitor, code_of, environment, said, told_of

TITLE = "The sun, too, shines into cesspools and is not polluted. — Diogenes"
STOP_S = 18  # `Lifespan` gives its resources 20: who needs them has waited in vain
RESTARTS = 1012


@pytest.fixture
def folder(tmp_path, prepared):
    """A folder with a database that has all tables and users."""
    shutil.copy(prepared, tmp_path / "db.sqlite3")
    return tmp_path


@pytest.fixture
def project(folder):
    """One process on the embedded broker, not yet started."""
    project = SocketProject(folder, environment(folder))
    yield project
    project.close()
    project.manage("events_broker", "--stop", check=False)


@pytest.fixture
def pair(folder, kafka_server):
    """Two processes on one real Kafka and one database, each with a layer of its own, started."""
    real = {"EVENTS_BOOTSTRAP_SERVERS": kafka_server.address, "EVENTS_REPLICATION": "1"}
    seen = environment(folder, EVENTS_PREFIX=f"{uuid.uuid4().hex[:8]}.", **real)
    projects = [SocketProject(folder / name, seen) for name in ("here", "there")]
    projects[0].manage("events_topics", "--apply")
    with ExitStack() as stack:
        for project in projects:
            stack.callback(project.close)
            project.start()
        yield projects


def quote_on(project):
    """A new quote that Likes knows."""
    services = Services(project, project, "/likes")
    quote_id = services.create(TITLE).body["id"]
    services.wait_for_copy(quote_id)
    return quote_id


def like(project, quote_id, user="bob"):
    answer = project.ask("POST", f"/likes/quotes/{quote_id}/like/", user=user)
    assert answer.status == 201, answer


def refused(project, path, **given):
    with pytest.raises(InvalidStatus) as raised, project.socket(path, **given):
        pass
    return raised.value.response.status_code


@pytest.mark.kafka
def test_a_socket_of_one_process_hears_a_like_that_another_one_takes(pair):
    here, there = pair
    quote_id = quote_on(there)
    alice = Visitor.signed_in(there, "alice")  # the session is in the database that both share
    with alice.likes_of(here, quote_id) as mine, alice.likes_of(there, quote_id) as other:
        assert said(mine) == said(other) == {"id": quote_id, "likes": 0}

        for likes, (project, who) in enumerate([(there, "bob"), (here, "carol")], start=1):
            like(project, quote_id, who)  # the next one only once this is told: each is told with the newest number

            told = {"id": quote_id, "likes": likes, "username": who}
            assert [told_of(mine, who), told_of(other, who)] == [told, told]


@pytest.mark.embedded
@pytest.mark.parametrize("server", SERVERS)
def test_only_who_may_is_let_in(project, server):
    project.server = server
    project.start()
    quote_id = quote_on(project)
    alice = Visitor.signed_in(project, "alice")

    with alice.likes_of(project, quote_id) as mine:
        assert said(mine) == {"id": quote_id, "likes": 0}
        like(project, quote_id)
        assert told_of(mine, "bob") == {"id": quote_id, "likes": 1, "username": "bob"}
    with project.socket(f"/ws/quotes/{quote_id}/") as nobody:
        assert code_of(nobody) == 4401
    with alice.likes_of(project, 4711) as unknown:
        assert code_of(unknown) == 4404
    for path in ("/ws/echo/", f"/ws/quotes/{quote_id}/"):
        assert refused(project, path, origin="http://evil.example", headers=alice.cookies) == 403
    assert refused(project, "/ws/nowhere/") == 403
    with project.socket("/ws/echo/") as echo:
        echo.send('{"message": "Hello"}')
        assert said(echo) == {"message": "Hello"}
    assert "Traceback" not in project.log


@pytest.mark.embedded
@pytest.mark.parametrize("server", SERVERS)
def test_a_stop_with_open_sockets_is_quick_and_quiet(project, server):
    project.server = server
    project.start()
    quote_id = project.ask("POST", "/quotes/", {"title": TITLE}, user="alice").body["id"]
    alice = Visitor.signed_in(project, "alice")
    with project.socket("/ws/echo/") as echo, alice.likes_of(project, quote_id) as likes:
        said(likes)
        began = time.monotonic()

        project.process.send_signal(signal.SIGTERM)

        codes = {code_of(echo), code_of(likes)}
    assert codes == {RESTARTS} or (server == "daphne" and codes <= {RESTARTS, None})  # which drops them without a word
    assert project.process.wait(STOP_S + 20) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < STOP_S
    assert "Traceback" not in project.log
    assert "ERROR" not in project.log
