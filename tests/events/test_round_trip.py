"""The whole road in memory: publish, outbox, relay, broker, engine, handling, effect."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.db import transaction

from events.core.engine import Engine, EngineOptions
from events.core.retry import RetryPolicy
from events.database import database_threads
from events.models import OutboxRecord
from events.publishing import apublish, publish
from events.relay import Relay, RelayOptions
from events.testing.memory import MemoryBroker
from events.transactions import aatomic
from tests.effects import Happened, Shop, adead, aeffects, write
from tests.waiting import until

QUICK = RetryPolicy(attempts=3, delay_s=0.01, max_delay_s=0.01)


@asynccontextmanager
async def running(*loops):
    """Loops that run while the block does, and end well."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    yield
    for loop in loops:
        loop.stop()
    await asyncio.gather(*tasks)


def publish_all(alias, *things):
    with transaction.atomic(using=alias):
        for thing in things:
            publish(Happened(thing=thing))


@pytest.mark.parametrize("batch", [None, 10])
async def test_what_a_transaction_published_has_its_effect_once(outbox_database, batch):
    shop, broker, failures = Shop(), MemoryBroker({"effects": 3}), iter([True])

    @shop.subscriber(Happened, batch=batch)
    def note(given):
        for event in given if batch else [given]:
            if event.thing == "never":
                raise ValueError("never")
            if event.thing == "later" and next(failures, False):
                raise ValueError("not yet")
            write(event.thing)

    async with database_threads() as threads, database_threads(1) as one, one.borrowed() as thread:
        relay = Relay(broker.producer, thread, options=RelayOptions(interval_s=0.02))
        engine = Engine(
            broker.consumer("shop", ["effects"]),
            shop.handling(threads, QUICK).handle,
            EngineOptions(batch=batch or 1, commit_interval_s=0.02),
        )
        async with running(relay, engine):
            async with threads.borrowed() as mine:
                await mine.run(publish_all, outbox_database, "one", "later", "never", "two")
            await until(lambda: engine.facts.handled == 4)

    assert await aeffects() == ["later", "one", "two"]
    assert [letter.reason for letter in await adead()] == ["failed"]


async def test_what_was_rolled_back_never_leaves(outbox_database):
    broker = MemoryBroker({"effects": 1})

    async with database_threads(1) as threads, threads.borrowed() as thread:
        relay = Relay(broker.producer, thread, options=RelayOptions(interval_s=0.02))
        async with thread.context():
            with pytest.raises(ZeroDivisionError):
                await _publish_and_fail(outbox_database)
            left = await OutboxRecord.objects.using(outbox_database).acount()
        sent = await relay.run_once()

    assert (left, sent, broker.records("effects")) == (0, 0, [])


async def _publish_and_fail(alias):
    async with aatomic(alias):
        await apublish(Happened(thing="one"))
        raise ZeroDivisionError
