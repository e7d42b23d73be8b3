"""The services that acceptance tests talk to: started for a test file, stopped after it."""

import uuid

import pytest

from tests.acceptance.project import Project
from tests.acceptance.services import Services

USERS = ("alice", "bob", "carol")


def pytest_collection_modifyitems(items):
    """Everything below this folder runs real processes."""
    for item in items:
        if "tests/acceptance" in item.nodeid:
            item.add_marker("acceptance")


def _close(services):
    for project in services.projects:
        if project.process and project.process.poll() is None:
            project.stop()


def _embedded(folder):
    environment = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "EVENTS_EMBEDDED_FOLDER": str(folder / "embedded")}
    return Project(folder, environment)


@pytest.fixture
def together(tmp_path):
    """Both services in one process, not yet started: SQLite and the embedded broker."""
    project = _embedded(tmp_path).prepare(*USERS)
    services = Services(project, project, "/likes")
    yield services
    _close(services)
    project.manage("events_broker", "--stop", check=False)


@pytest.fixture
def apart(tmp_path, kafka_server, postgres_server):
    """Each service in its own process, not yet started: two PostgreSQL databases and real Kafka."""
    run = uuid.uuid4().hex[:8]
    quotes, likes = (
        Project(
            tmp_path / service,
            {
                "DJANGO_SETTINGS_MODULE": f"examples.{service}.settings",
                "DATABASE_URL": postgres_server.url(f"{service}_{run}"),
                "EVENTS_BOOTSTRAP_SERVERS": kafka_server.address,
                "EVENTS_PREFIX": f"{run}.",
                "EVENTS_REPLICATION": "1",
            },
        )
        for service in ("quotes", "likes")
    )
    for project in (quotes, likes):
        project.prepare(*USERS)
        project.manage("events_topics", "--apply")
    services = Services(quotes, likes)
    yield services
    _close(services)


@pytest.fixture(params=["together", "apart"])
def services(request):
    """Quotes and Likes, started: in one process on the embedded broker, then in two on real Kafka."""
    chosen = request.getfixturevalue(request.param)
    for project in chosen.projects:
        project.start()
    return chosen
