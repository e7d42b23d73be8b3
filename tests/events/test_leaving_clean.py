"""What `leave_clean` does with each connection of a thread."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connections, transaction

from events.request_connections import leave_clean


@pytest.fixture
def two_databases(django_db_blocker, tmp_path):
    """Aliases of two databases."""
    aliases = ["one", "two"]
    for alias in aliases:
        connections.settings[alias] = connections.settings["default"] | {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": tmp_path / alias,
            "OPTIONS": {},
        }
    with django_db_blocker.unblock():
        yield aliases
    for alias in aliases:
        del connections.settings[alias]


def test_a_connection_that_cannot_be_closed_is_dropped_and_no_other_suffers_by_it(two_databases, monkeypatch, caplog):
    def break_one():
        def close():
            raise DatabaseError("the server is gone")

        for alias in two_databases:
            transaction.atomic(using=alias).__enter__()
        before = [connections[alias] for alias in two_databases]
        monkeypatch.setattr(before[0], "close", close)
        leave_clean()
        after = [connections[alias] for alias in two_databases]
        monkeypatch.undo()
        before[0].close()
        return [(old is new, new.in_atomic_block) for old, new in zip(before, after, strict=True)]

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(break_one).result() == [(False, False), (False, False)]
    assert "cannot be closed: dropped" in caplog.text
    assert "the server is gone" in caplog.text
