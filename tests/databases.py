"""The fixture `outbox_database`: the tables of events on SQLite, and the same test again on PostgreSQL and MariaDB.

Each test has an alias of its own in `DATABASES`, which `EVENTS["DATABASE"]` names; nothing is wrapped in a transaction,
so threads see what others have committed.
"""

import shutil
import threading

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from config.database_url import SQLITE_OPTIONS, database_from
from events.database import DatabaseThread

ON_SERVERS = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("postgres", "mysql")]
"""The parameters of `outbox_database` that are servers, which can go away."""


@pytest.fixture(scope="session")
def _sqlite_file(tmp_path_factory, django_db_blocker):
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    with django_db_blocker.unblock():
        _migrate({"ENGINE": "django.db.backends.sqlite3", "NAME": path})
    return path


@pytest.fixture(scope="session")
def _postgres_settings(request, django_db_blocker):
    return _settings_of(request.getfixturevalue("postgres_server").url("events_tests"), django_db_blocker)


@pytest.fixture(scope="session")
def _mysql_settings(request, django_db_blocker):
    return _settings_of(request.getfixturevalue("mysql_server").url("events_tests"), django_db_blocker)


def _settings_of(url, django_db_blocker):
    # As Django has it by default: what relies on more than that must be seen here.
    settings = {**database_from(url, None), "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    with django_db_blocker.unblock():
        _migrate(settings)
    return settings


@pytest.fixture(params=["sqlite", *ON_SERVERS])
def outbox_database(request, settings, tmp_path, django_db_blocker):
    """An empty database with the tables of events; its alias, which is `EVENTS["DATABASE"]`."""
    alias = f"outbox_{request.param}"
    if request.param == "sqlite":
        name = shutil.copy(request.getfixturevalue("_sqlite_file"), tmp_path / "outbox.sqlite3")
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": SQLITE_OPTIONS}
    else:
        database = request.getfixturevalue(f"_{request.param}_settings")
    settings.EVENTS = {**settings.EVENTS, "DATABASE": alias}
    with django_db_blocker.unblock():
        _add(alias, database)
        _empty(alias)
        before = threading.enumerate()
        yield alias
        _let_threads_end(before)
        _remove(alias)


@pytest.fixture
def database_thread(outbox_database):
    """A database thread, whose connections are closed when the test ends."""
    thread = DatabaseThread("test")
    yield thread
    thread.shutdown()


@pytest.fixture
def other_thread(outbox_database):
    """A second one: a connection of its own."""
    thread = DatabaseThread("other")
    yield thread
    thread.shutdown()


def _let_threads_end(before):
    """Wait for the database threads of the test: one that still ends without its alias leaves its connection open."""
    for thread in threading.enumerate():
        if thread.daemon and thread not in before:
            thread.join(30)


def _add(alias, database):
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: database})[alias]


def _remove(alias):
    connections[alias].close()
    del connections[alias], connections.settings[alias]


def _migrate(database):
    _add("migrated", database)
    call_command("migrate", database="migrated", verbosity=0)
    _remove("migrated")


def _empty(alias):
    for model in apps.get_app_config("kafka_events").get_models():
        model.objects.using(alias).all().delete()
