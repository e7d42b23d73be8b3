"""One relay at a time: who waits, who takes over, who gives up. On SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest

from events.core.errors import LeaseLost
from events.lease import holder
from events.models import Lease
from events.relay import Relay, RelayOptions
from tests.events.relaying import QUICK, Counted, Running, numbers, publish_all, rows
from tests.producers import FakeKafka
from tests.waiting import until, until_sync


@pytest.fixture
def renewed_often(monkeypatch):
    """A lease that is renewed after 0.3 s, and ends no sooner than any other."""
    monkeypatch.setattr("events.lease.RENEW_AFTER", 0.3 / QUICK.lease_s)


async def test_once_says_that_another_relay_is_at_work(outbox_database, database_thread, other_thread, kafka):
    impatient = Relay(kafka.make_producer, database_thread, options=replace(QUICK, lease_s=0.3))
    async with Running(Relay(FakeKafka().make_producer, other_thread, options=QUICK)) as other:
        await until(lambda: other.leads)

        with pytest.raises(LeaseLost, match="Another relay is at work"):
            await impatient.run_once()


async def test_a_second_relay_waits_and_starts_when_the_first_stops(
    outbox_database, database_thread, other_thread, kafka
):
    first = Relay(kafka.make_producer, database_thread, options=QUICK)
    second = Relay(kafka.make_producer, other_thread, options=QUICK)

    async with Running(second), Running(first):
        await until(lambda: first.leads or second.leads)
        leader, waiter = (first, second) if first.leads else (second, first)
        assert not waiter.leads
        leader.stop()
        await until(lambda: waiter.leads)

    assert not leader.leads


async def test_a_relay_that_died_is_replaced_when_its_lease_ends(outbox_database, database_thread, other_thread, kafka):
    dead = Relay(kafka.make_producer, other_thread, options=RelayOptions(lease_s=0.3))
    assert await dead._lease.take()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    async with Running(Relay(kafka.make_producer, database_thread, options=QUICK)) as relay:
        assert not relay.leads
        await until(lambda: kafka.records)
        assert not dead.leads


@pytest.mark.usefixtures("renewed_often")
async def test_the_lease_is_kept_while_kafka_is_slow(outbox_database, database_thread, other_thread, kafka, relay):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def renewed(times):
        return until_sync(lambda: Lease.objects.using(outbox_database).get().token >= times)

    async with Running(relay):
        await asyncio.wait_for(kafka.reached.wait(), 30)
        await other_thread.run(renewed, 6)
        kafka.hold.set()
        await until(lambda: relay.sent == 1)

    assert numbers(kafka) == [1]
    assert kafka.sends == 1


@pytest.mark.usefixtures("renewed_often")
async def test_a_relay_that_loses_its_lease_drops_its_batch_and_its_producer(
    outbox_database, database_thread, other_thread, kafka, relay
):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def steal():
        Lease.objects.using(outbox_database).update(owner="somebody else", until="2100-01-01T00:00:00Z")

    async with Running(relay):
        await asyncio.wait_for(kafka.reached.wait(), 30)
        await other_thread.run(steal)
        await until(lambda: not kafka.producers)

    assert kafka.records == []
    assert len(await database_thread.run(rows, outbox_database)) == 1


async def test_cancelled_it_closes_its_producer_and_releases_the_lease(outbox_database, database_thread, kafka, relay):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
    task = asyncio.create_task(relay.run())
    await asyncio.wait_for(kafka.reached.wait(), 30)

    task.cancel()
    await asyncio.wait({task})

    assert kafka.producers == []
    assert await database_thread.run(holder) == ""
