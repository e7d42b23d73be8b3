"""What Kafka refuses: it holds back its key and nobody else. On SQLite and PostgreSQL."""

import logging

import pytest
from django.utils import timezone

from events import Event, outbox
from events.core.errors import BrokerUnavailable
from events.core.pauses import Pauses
from events.relay import Relay
from tests.events.relaying import QUICK, Counted, Running, numbers, publish_all, refusing, rows
from tests.waiting import until


@pytest.fixture
def once_only(monkeypatch, relay):
    """No row and no topic is tried a second time, however long the test takes."""
    monkeypatch.setattr(outbox, "REFUSED_FIRST_S", 300.0)
    relay._pauses = Pauses(lambda: 0.0)


@pytest.mark.usefixtures("once_only")
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
        await until(lambda: kafka.starts >= 2)
        kafka.refuses = lambda record: False
        await until(lambda: len(kafka.records) == 3)

    assert numbers(kafka) == [0, 1, 2]


@pytest.mark.usefixtures("once_only")
async def test_a_refused_row_without_a_key_holds_back_nobody(outbox_database, database_thread, kafka, relay):
    kafka.refuses = refusing(1)
    await database_thread.run(publish_all, outbox_database, *[Counted(key=None, number=n) for n in range(4)])

    await relay.run_once()

    assert numbers(kafka) == [0, 2, 3]
    assert [row.attempts for row in await database_thread.run(rows, outbox_database)] == [1]


async def test_a_refused_row_waits_longer_each_time(outbox_database, database_thread, caplog):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    def refuse_often():
        waits = []
        for _ in range(12):
            [row] = rows(outbox_database)
            before = timezone.now()
            outbox.refuse(row, "no\0pe")
            after = timezone.now()
            [row] = rows(outbox_database)
            waits.append([(row.not_before - since).total_seconds() for since in (after, before)])
        return waits, row.error

    [first_wait, *_, last_wait], error = await database_thread.run(refuse_often)

    [first, *_] = caplog.records
    facts = (first.event_type, first.key, first.topic, first.partition, first.offset, first.subscriber)
    assert facts == ("Counted", "a", "relay-counted", None, None, "")
    assert first_wait[0] <= 1
    assert first_wait[1] >= 0.5
    assert last_wait[0] <= 300
    assert last_wait[1] >= 150
    assert "\0" not in error


class Elsewhere(Event, topic="relay-elsewhere"):
    number: int


@pytest.mark.usefixtures("once_only")
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


async def test_a_topic_that_does_not_exist_is_no_fault_of_its_rows(
    outbox_database, database_thread, kafka, relay, caplog
):
    kafka.missing = {"relay-elsewhere"}
    lost = [Elsewhere(number=n) for n in range(20)]
    await database_thread.run(publish_all, outbox_database, *lost, Counted(key="a", number=1))

    await relay.run_once()

    left = await database_thread.run(rows, outbox_database)
    assert numbers(kafka) == [1]
    assert [(row.attempts, row.not_before) for row in left] == [(0, None)] * 20
    [line] = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert "'relay-elsewhere' does not exist" in line


async def test_once_a_missing_topic_is_created_its_rows_go_and_both_are_said_once(
    outbox_database, database_thread, kafka, relay, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("events.relay.TOPIC_PAUSE_S", 0.02)
    kafka.missing = {"relay-elsewhere"}
    await database_thread.run(publish_all, outbox_database, *[Elsewhere(number=n) for n in range(3)])

    async with Running(relay):
        await until(lambda: kafka.starts >= 5)
        kafka.missing = set()
        await until(lambda: relay.sent == 3)

    assert numbers(kafka) == [0, 1, 2]
    said = [one.getMessage() for one in caplog.records if "relay-elsewhere" in one.getMessage()]
    assert len(said) == 2
    assert "left out" in said[0]
    assert "again" in said[1]


@pytest.mark.usefixtures("once_only")
async def test_a_partition_without_a_leader_pauses_its_topic_while_others_go(
    outbox_database, database_thread, kafka, relay, caplog
):
    kafka.leaderless = lambda record: record.topic == "relay-elsewhere"
    events = [one for n in range(5) for one in (Elsewhere(number=n), Counted(key=str(n), number=n))]
    await database_thread.run(publish_all, outbox_database, *events)

    await relay.run_once()

    left = await database_thread.run(rows, outbox_database)
    assert numbers(kafka) == [0, 1, 2, 3, 4]
    assert [row.attempts for row in left] == [0] * 5
    assert "relay-elsewhere is left out" in caplog.text


async def test_with_nobody_else_going_a_partition_without_a_leader_is_an_outage(
    outbox_database, database_thread, kafka, relay
):
    kafka.leaderless = lambda record: True
    await database_thread.run(publish_all, outbox_database, *[Elsewhere(number=n) for n in range(3)])

    with pytest.raises(BrokerUnavailable):
        await relay.run_once()


class Other(Event, topic="relay-other", key="number"):
    number: int


async def test_a_topic_whose_pause_ends_within_a_batch_keeps_its_order(outbox_database, database_thread, kafka):
    now = [0.0]
    kafka.one_batch, kafka.refuses = True, lambda record: b'"number":0' in record.value or later(now, record)
    refused = [Counted(key=key, number=0) for key in "abc"]
    events = [*refused, Counted(key="k", number=10), Other(number=7), Counted(key="k", number=11)]
    await database_thread.run(publish_all, outbox_database, *events)
    relay = Relay(kafka.make_producer, database_thread, options=QUICK)
    relay._pauses = Pauses(lambda: now[0])

    await relay.run_once()
    now[0] += 1000
    await relay.run_once()

    assert numbers(kafka, "k") == [10, 11]


def later(now, record):
    """Much time passes while this record of another topic is on its way; the record itself is fine."""
    if b'"number":7' in record.value:
        now[0] += 10
    return False


async def test_told_to_stop_within_a_batch_that_failed_it_stops(outbox_database, database_thread, kafka, relay):
    kafka.one_batch, kafka.refuses = True, refusing(0)
    await database_thread.run(publish_all, outbox_database, *[Counted(key="k", number=n) for n in range(5)])
    hand_over = relay._hand_over

    async def stop_at_the_second(records):
        if kafka.sends == 1:
            relay.stop()
        return await hand_over(records)

    relay._hand_over = stop_at_the_second
    await relay.run()

    assert kafka.sends == 2
    assert len(await database_thread.run(rows, outbox_database)) == 5
