"""The relay, on SQLite and PostgreSQL, towards a Kafka that fails as it is told to."""

import asyncio
import logging

import pytest
from django.db import Error, connections, transaction

from events import outbox
from events.core.errors import BrokerUnavailable
from events.lease import holder
from events.publishing import publish
from events.relay import Relay, RelayOptions
from tests.events.relaying import QUICK, Counted, Running, numbers, publish_all, rows
from tests.waiting import until


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
        await until(lambda: relay.leads)
        await other_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
        await until(lambda: kafka.records)

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


async def test_an_outage_of_kafka_is_two_log_lines_and_loses_nothing(
    outbox_database, database_thread, kafka, relay, caplog
):
    caplog.set_level(logging.WARNING)
    kafka.away = True
    await database_thread.run(publish_all, outbox_database, *[Counted(key="a", number=n) for n in range(3)])

    async with Running(relay):
        await until(lambda: kafka.starts >= 5)
        waits = relay.outage.why
        kafka.away = False
        await until(lambda: len(kafka.records) == 3 and not relay.outage.why)

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
        await until(lambda: relay.outage.why)
        kafka.away_after, kafka.away = None, False
        await until(lambda: len(set(numbers(kafka))) == 4)

    assert numbers(kafka) == [0, 1, 2, 3]


async def test_an_outage_of_the_database_is_waited_out(outbox_database, database_thread, kafka, relay, monkeypatch):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
    tries = []

    def fails(*_, **__):
        tries.append(1)
        raise Error("the server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "oldest", fails)
        async with Running(relay):
            await until(lambda: len(tries) >= 3)
            patched.undo()
            await until(lambda: kafka.records)

    assert numbers(kafka) == [1]


async def test_once_says_that_kafka_is_away(outbox_database, database_thread, kafka, relay):
    kafka.away = True
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    with pytest.raises(BrokerUnavailable):
        await relay.run_once()

    assert len(await database_thread.run(rows, outbox_database)) == 1
    assert await database_thread.run(holder) == ""


class Narrow:
    """Room as the test says. `asked`: how often it was."""

    def __init__(self, bytes=0):
        self.bytes, self.asked, self.told = bytes, 0, []

    async def room(self):
        self.asked += 1
        return self.bytes

    def sent(self, place, size):
        self.told.append((place, size))


async def test_it_waits_for_room_and_says_what_it_sent(outbox_database, database_thread, kafka):
    room = Narrow()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    async with Running(Relay(kafka.make_producer, database_thread, options=QUICK, room=room)) as relay:
        await until(lambda: relay.leads)
        assert kafka.records == []
        room.bytes = 1000
        await until(lambda: room.told)

    [(place, size)] = room.told
    assert place.topic == "relay-counted"
    assert size == kafka.records[0].size


async def test_once_waits_for_room_without_a_rush(outbox_database, database_thread, kafka):
    room = Narrow()
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    once = asyncio.create_task(Relay(kafka.make_producer, database_thread, options=QUICK, room=room).run_once())
    await until(lambda: room.asked >= 3)
    asked = room.asked
    room.bytes = 1000

    assert await once == 1
    assert asked <= 4


async def test_once_says_that_there_is_no_room(outbox_database, database_thread, kafka, monkeypatch):
    monkeypatch.setattr("events.relay.ROOM_PATIENCE_S", 0.2)
    relay = Relay(kafka.make_producer, database_thread, options=QUICK, room=Narrow())
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    with pytest.raises(BrokerUnavailable, match=r"no room for 0\.2 s, 1 rows wait"):
        await relay.run_once()

    assert relay._room.asked <= 5


async def test_once_needs_no_room_for_an_empty_outbox(outbox_database, database_thread, kafka):
    assert await Relay(kafka.make_producer, database_thread, options=QUICK, room=Narrow()).run_once() == 0


@pytest.mark.postgres
@pytest.mark.parametrize("outbox_database", ["postgres"], indirect=True)
async def test_a_postgres_that_cuts_its_connection_costs_nothing(
    outbox_database, database_thread, other_thread, kafka, relay
):
    def cut():
        with connections[outbox_database].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return cursor.rowcount

    async with Running(relay):
        await until(lambda: relay.leads)
        assert await other_thread.run(cut) >= 1
        await other_thread.run(publish_all, outbox_database, Counted(key="a", number=1))
        await until(lambda: kafka.records)

    assert numbers(kafka) == [1]
