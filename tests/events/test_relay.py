"""The relay, on SQLite and PostgreSQL, towards a Kafka that fails as it is told to."""

import asyncio
import logging
from datetime import timedelta

import pytest
from django.db import Error, transaction
from django.utils import timezone

from events import Event, outbox
from events.core.errors import BrokerUnavailable, LeaseLost
from events.core.identity import uuid7
from events.lease import holder
from events.models import HandledEvent, Lease, OutboxRecord
from events.publishing import publish
from events.relay import Relay, RelayOptions
from tests.producers import FakeKafka
from tests.waiting import await_until, wait_until

QUICK = RelayOptions(interval_s=0.02, lease_s=0.6, back_off_first_s=0.01, back_off_most_s=0.02)


class Counted(Event, topic="relay-counted", key="key"):
    key: str | None
    number: int


def publish_all(alias, *events):
    with transaction.atomic(using=alias):
        return [publish(event) for event in events]


def rows(alias):
    return list(OutboxRecord.objects.using(alias).order_by("id"))


def numbers(kafka, key=None):
    return [
        int(record.value.split(b'"number":')[1].rstrip(b"}"))
        for record in kafka.records
        if key is None or record.key == key.encode()
    ]


def refusing(number):
    return lambda record: b'"number":%d}' % number in record.value


class Running:
    """A relay that runs in the background of a test."""

    def __init__(self, relay):
        self.relay = relay

    async def __aenter__(self):
        self.task = asyncio.create_task(self.relay.run())
        return self.relay

    async def __aexit__(self, *_):
        self.relay.stop()
        await asyncio.wait_for(self.task, 5)


@pytest.fixture
def kafka():
    return FakeKafka()


@pytest.fixture
def relay(kafka, database_thread):
    return Relay(kafka.make_producer, database_thread, options=QUICK)


async def test_what_is_published_reaches_kafka_and_leaves_the_outbox(outbox_database, database_thread, kafka, relay):
    ids = await database_thread.run(publish_all, outbox_database, *[Counted(key="a", number=n) for n in range(3)])

    sent = await relay.run_once()

    assert sent == 3
    assert numbers(kafka) == [0, 1, 2]
    assert [dict(record.headers)["ce_id"].decode() for record in kafka.records] == [str(id) for id in ids]
    assert await database_thread.run(rows, outbox_database) == []


async def test_what_is_rolled_back_is_never_sent(outbox_database, database_thread, kafka, relay):
    def fail():
        with transaction.atomic(using=outbox_database):
            publish(Counted(key="a", number=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database_thread.run(fail)

    assert await relay.run_once() == 0
    assert kafka.records == []


async def test_many_batches_keep_the_order_of_each_key(outbox_database, database_thread, kafka):
    events = [Counted(key=key, number=n) for n in range(40) for key in "abc"]
    await database_thread.run(publish_all, outbox_database, *events)

    await Relay(kafka.make_producer, database_thread, options=RelayOptions(batch=7)).run_once()

    assert [numbers(kafka, key) for key in "abc"] == [list(range(40))] * 3
    assert kafka.sends == -(-120 // 7)


async def test_a_batch_is_limited_in_bytes_but_never_empty(outbox_database, database_thread):
    await database_thread.run(publish_all, outbox_database, *[Counted(key="k" * 100, number=n) for n in range(5)])

    def look(max_bytes):
        return len(outbox.oldest(100, max_bytes))

    assert await database_thread.run(look, 1) == 1
    assert await database_thread.run(look, 300) == 2
    assert await database_thread.run(look, 10_000) == 5


async def test_a_running_relay_is_nudged_by_the_commit(outbox_database, database_thread, other_thread, kafka):
    patient = RelayOptions(interval_s=60, lease_s=180)

    async with Running(Relay(kafka.make_producer, database_thread, options=patient)) as relay:
        await await_until(lambda: relay.leads)
        await other_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
        await await_until(lambda: kafka.records)

    assert numbers(kafka) == [1]


async def test_killed_between_ack_and_delete_the_next_relay_sends_the_same_id_again(
    outbox_database, database_thread, other_thread, kafka, monkeypatch
):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
    acked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def dies(ids):
        loop.call_soon_threadsafe(acked.set)
        raise SystemError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "delete", dies)
        with pytest.raises(SystemError):
            await Relay(kafka.make_producer, database_thread, options=QUICK).run_once()
    await Relay(kafka.make_producer, other_thread, options=QUICK).run_once()

    assert acked.is_set()
    assert numbers(kafka) == [1, 1]
    assert kafka.records[0].headers == kafka.records[1].headers
    assert await database_thread.run(rows, outbox_database) == []


async def test_a_refused_row_holds_back_only_the_later_rows_of_its_key(
    outbox_database, database_thread, kafka, relay, caplog
):
    kafka.refuses = refusing(2)
    events = [Counted(key="ab"[n % 2], number=n) for n in range(8)]
    await database_thread.run(publish_all, outbox_database, *events)

    sent = await relay.run_once()

    left = await database_thread.run(rows, outbox_database)
    assert sent == 5
    assert numbers(kafka, "a") == [0]
    assert numbers(kafka, "b") == [1, 3, 5, 7]
    assert [row.attempts for row in left] == [1, 0, 0]
    assert left[0].error == "too large"
    [line] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert (line.topic, line.key, line.event_id) == ("relay-counted", "a", str(left[0].event_id))


async def test_a_refused_row_goes_in_its_order_once_kafka_takes_it(outbox_database, database_thread, kafka, relay):
    kafka.refuses = refusing(0)
    await database_thread.run(publish_all, outbox_database, *[Counted(key="a", number=n) for n in range(3)])

    async with Running(relay):
        await await_until(lambda: kafka.starts >= 2)
        kafka.refuses = lambda record: False
        await await_until(lambda: len(kafka.records) == 3)

    assert numbers(kafka) == [0, 1, 2]


async def test_a_refused_row_without_a_key_holds_back_nobody(outbox_database, database_thread, kafka, relay):
    kafka.refuses = refusing(1)
    await database_thread.run(publish_all, outbox_database, *[Counted(key=None, number=n) for n in range(4)])

    await relay.run_once()

    assert numbers(kafka) == [0, 2, 3]
    assert [row.attempts for row in await database_thread.run(rows, outbox_database)] == [1]


async def test_a_refused_row_waits_longer_each_time(outbox_database, database_thread):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def refuse_often():
        waits = []
        for _ in range(12):
            [row] = rows(outbox_database)
            outbox.refuse(row, "no\0pe")
            [row] = rows(outbox_database)
            waits.append((row.not_before - row.created_at).total_seconds())
        return waits, row.error

    waits, error = await database_thread.run(refuse_often)

    assert 0.4 < waits[0] < 2
    assert 100 < waits[-1] < 310
    assert "\0" not in error


async def test_an_outage_of_kafka_is_two_log_lines_and_loses_nothing(
    outbox_database, database_thread, kafka, relay, caplog
):
    caplog.set_level(logging.WARNING)
    kafka.away = True
    await database_thread.run(publish_all, outbox_database, *[Counted(key="a", number=n) for n in range(3)])

    async with Running(relay):
        await await_until(lambda: kafka.starts >= 5)
        waits = relay.outage.why
        kafka.away = False
        await await_until(lambda: len(kafka.records) == 3 and not relay.outage.why)

    assert waits == "nobody answers"
    assert numbers(kafka) == [0, 1, 2]
    lines = [one.getMessage() for one in caplog.records if one.name == "events.relay"]
    assert len(lines) == 2
    assert "waits" in lines[0]
    assert "goes on" in lines[1]


async def test_kafka_gone_in_the_middle_of_a_batch_sends_the_rest_later(outbox_database, database_thread, kafka, relay):
    await database_thread.run(publish_all, outbox_database, *[Counted(key="a", number=n) for n in range(4)])
    kafka.away_after = 2

    async with Running(relay):
        await await_until(lambda: relay.outage.why)
        kafka.away_after, kafka.away = None, False
        await await_until(lambda: len(set(numbers(kafka))) == 4)

    assert numbers(kafka) == [0, 1, 2, 3]


async def test_an_outage_of_the_database_is_waited_out(outbox_database, database_thread, kafka, relay, monkeypatch):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
    tries = []

    def fails(*_):
        tries.append(1)
        raise Error("the server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "oldest", fails)
        async with Running(relay):
            await await_until(lambda: len(tries) >= 3)
            patched.undo()
            await await_until(lambda: kafka.records)

    assert numbers(kafka) == [1]


async def test_once_says_that_kafka_is_away(outbox_database, database_thread, kafka, relay):
    kafka.away = True
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    with pytest.raises(BrokerUnavailable):
        await relay.run_once()

    assert len(await database_thread.run(rows, outbox_database)) == 1
    assert await database_thread.run(holder) == ""


async def test_once_says_that_another_relay_is_at_work(outbox_database, database_thread, other_thread, kafka, relay):
    async with Running(Relay(FakeKafka().make_producer, other_thread, options=QUICK)) as other:
        await await_until(lambda: other.leads)

        with pytest.raises(LeaseLost, match="Another relay is at work"):
            await relay.run_once()


async def test_a_second_relay_waits_and_starts_when_the_first_stops(
    outbox_database, database_thread, other_thread, kafka
):
    slow = RelayOptions(interval_s=0.02, lease_s=60)
    first = Relay(kafka.make_producer, database_thread, options=slow)
    second = Relay(kafka.make_producer, other_thread, options=slow)

    async with Running(second), Running(first):
        await await_until(lambda: first.leads or second.leads)
        leader, waiter = (first, second) if first.leads else (second, first)
        assert not waiter.leads
        leader.stop()
        await await_until(lambda: waiter.leads)

    assert not leader.leads


async def test_a_relay_that_died_is_replaced_when_its_lease_ends(outbox_database, database_thread, other_thread, kafka):
    dead = Relay(kafka.make_producer, other_thread, options=RelayOptions(lease_s=0.3))
    assert await dead._lease.take()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    async with Running(Relay(kafka.make_producer, database_thread, options=QUICK)) as relay:
        assert not relay.leads
        await await_until(lambda: kafka.records)
        assert not dead.leads


async def test_the_lease_is_kept_while_kafka_is_slow(outbox_database, database_thread, other_thread, kafka, relay):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def renewed(times):
        return wait_until(lambda: Lease.objects.using(outbox_database).get().token >= times)

    async with Running(relay):
        await asyncio.wait_for(kafka.reached.wait(), 5)
        await other_thread.run(renewed, 6)  # five thirds of a lease
        kafka.hold.set()
        await await_until(lambda: relay.sent == 1)

    assert numbers(kafka) == [1]


async def test_a_relay_that_loses_its_lease_drops_its_batch_and_its_producer(
    outbox_database, database_thread, other_thread, kafka, relay
):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def steal():
        Lease.objects.using(outbox_database).update(owner="somebody else", until="2100-01-01T00:00:00Z")

    async with Running(relay):
        await asyncio.wait_for(kafka.reached.wait(), 5)
        await other_thread.run(steal)
        await await_until(lambda: not kafka.producers)

    assert kafka.records == []
    assert len(await database_thread.run(rows, outbox_database)) == 1


async def test_cancelled_it_closes_its_producer_and_releases_the_lease(outbox_database, database_thread, kafka, relay):
    kafka.hold = asyncio.Event()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
    task = asyncio.create_task(relay.run())
    await asyncio.wait_for(kafka.reached.wait(), 5)

    task.cancel()
    await asyncio.wait({task})

    assert kafka.producers == []
    assert await database_thread.run(holder) == ""


async def test_it_waits_for_room_and_says_what_it_sent(outbox_database, database_thread, kafka):
    class Narrow:
        bytes, told = 0, []

        async def room(self):
            return self.bytes

        def sent(self, place, size):
            self.told.append((place, size))

    room = Narrow()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    async with Running(Relay(kafka.make_producer, database_thread, options=QUICK, room=room)) as relay:
        await await_until(lambda: relay.leads)
        assert kafka.records == []
        room.bytes = 1000
        await await_until(lambda: room.told)

    [(place, size)] = room.told
    assert place.topic == "relay-counted"
    assert size == kafka.records[0].size


class Elsewhere(Event, topic="relay-elsewhere"):
    number: int


async def test_a_topic_that_takes_nothing_is_left_out_and_slows_down_no_other(
    outbox_database, database_thread, kafka, relay, caplog
):
    kafka.refuses = lambda record: record.topic == "relay-elsewhere"
    lost = [Elsewhere(number=n) for n in range(20)]
    await database_thread.run(publish_all, outbox_database, *lost, Counted(key="a", number=1))

    await relay.run_once()

    left = await database_thread.run(rows, outbox_database)
    assert numbers(kafka) == [1]
    assert sum(row.attempts for row in left) == 3
    assert "nothing of topic relay-elsewhere" in caplog.text


async def test_it_prunes_the_inbox_in_chunks_until_nothing_old_is_left(
    outbox_database, database_thread, other_thread, kafka, monkeypatch
):
    monkeypatch.setattr("events.relay.PRUNE_CHUNK", 3)
    now, days = timezone.now(), timedelta(days=1)
    rows = [HandledEvent(subscriber_id=1, event_id=uuid7(), at=now - age * days) for age in range(20)]
    await other_thread.run(HandledEvent.objects.using(outbox_database).bulk_create, rows)
    patient = RelayOptions(interval_s=60, lease_s=180, inbox_days=5)

    def ages():
        return wait_until(lambda: (left := HandledEvent.objects.using(outbox_database).count()) <= 5 and left)

    async with Running(Relay(kafka.make_producer, database_thread, options=patient)):
        left = await other_thread.run(ages)

    assert left == 5
