"""Pruning of the inbox, on SQLite and PostgreSQL: by one process an hour, with or without a relay."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from django.db import Error
from django.utils import timezone

from events import inbox
from events.core.identity import uuid7
from events.lease import holder
from events.models import HandledEvent
from events.pruning import Pruning
from tests.effects import elsewhere
from tests.waiting import until


@pytest.fixture
def remember(outbox_database, database_thread):
    """Write rows of the inbox that are so many days old."""

    async def remember(*days):
        rows = [
            HandledEvent(subscriber_id=1, event_id=uuid7(), at=timezone.now() - age * timedelta(days=1)) for age in days
        ]
        await database_thread.run(HandledEvent.objects.using(outbox_database).bulk_create, rows)

    return remember


@pytest.fixture
def left(outbox_database):
    """How many rows there are."""
    return lambda: elsewhere(HandledEvent.objects.using(outbox_database).count)


class Running:
    """A pruning in the background."""

    def __init__(self, days=5):
        self.pruning = Pruning(days)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.pruning.run())

    async def __aexit__(self, *_):
        self.pruning.stop()
        await asyncio.wait_for(self.task, 30)


async def test_it_prunes_in_chunks_until_nothing_old_is_left(remember, left, monkeypatch):
    monkeypatch.setattr("events.pruning.CHUNK", 3)
    await remember(*range(20))

    async with Running():
        await until(lambda: left() <= 5)

    assert left() == 5


async def test_it_prunes_again_after_a_while(remember, left, monkeypatch):
    monkeypatch.setattr("events.pruning.INTERVAL_S", 0.05)
    await remember(9)

    async with Running():
        await until(lambda: left() == 0)
        await remember(9)
        await until(lambda: left() == 0)


async def test_what_one_process_has_pruned_another_one_leaves_alone_for_the_hour(remember, left, monkeypatch):
    done = asyncio.Event()
    async with Running():
        first = await until(lambda: elsewhere(partial(holder, "prune")))
    await remember(9)
    monkeypatch.setattr("events.pruning.wait_at_most", lambda *_: _set(done))

    async with Running() as _:
        await asyncio.wait_for(done.wait(), 30)

    assert left() == 1
    assert elsewhere(partial(holder, "prune")) == first


async def _set(event):
    event.set()
    await asyncio.sleep(0.01)


async def test_an_outage_of_the_database_is_waited_out(remember, left, monkeypatch, caplog):
    monkeypatch.setattr("events.pruning.AGAIN_S", 0.01)
    await remember(9)

    def fails(*_):
        raise Error("the server closed\nthe connection")

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "prune", fails)
        async with Running():
            await until(lambda: "the server closed the connection" in caplog.text)
            patched.undo()
            await until(lambda: left() == 0)
