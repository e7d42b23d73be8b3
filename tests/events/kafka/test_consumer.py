"""The consumer on the mock cluster: joining, fetching, commits, offsets that are not there, outages, stopping."""

import asyncio
import logging
import time

import pytest
from aiokafka import AIOKafkaProducer

from events.core.broker import OutgoingRecord, Partition
from events.core.errors import BrokerUnavailable, MembershipLost
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.producer import KafkaProducer
from tests.events.kafka.owner import RecordingOwner, collect

ZERO = Partition("quotes", 0)


def connect(broker):
    """With a short session: on the mock a rebalance takes that long, less a second."""
    return Connection(broker.address, consumer={"session_timeout_ms": 2000}, embedded=True)


@pytest.fixture
async def consumers():
    """Makes consumers, and stops them at the end."""
    made = []

    def make(connection, group="readers", topics=("quotes",)):
        made.append(KafkaConsumer(connection, group, topics, client_id="test"))
        return made[-1]

    yield make
    for consumer in made:
        await consumer.stop()


async def write(broker, count, topic="quotes"):
    producer = KafkaProducer(Connection(broker.address), deadline_s=10, client_id="writer")
    await producer.start()
    results = await producer.send([OutgoingRecord(topic, b"k", b"%d" % n, (("h", b"v"),)) for n in range(count)])
    await producer.stop()
    return results


async def test_a_new_group_reads_from_the_earliest_record(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 3)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()

    await consumer.start(owner)
    records = await collect(consumer, owner, 3)

    assert [(one.place, one.key, one.value, one.headers) for one in records] == [
        (("quotes", 0, n), b"k", b"%d" % n, (("h", b"v"),)) for n in range(3)
    ]
    assert consumer.position(ZERO) == 3


async def test_a_later_member_starts_where_the_earlier_one_committed(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 3)
    first, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await first.start(owner)
    await collect(first, owner, 3)

    stored = await first.commit({ZERO: 2})
    await first.stop()
    second, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await second.start(owner)
    records = await collect(second, owner, 1)

    assert stored is True
    assert [one.offset for one in records] == [2]


async def test_many_partitions_without_a_commit_start_together(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 12)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)

    began = time.monotonic()
    async with asyncio.timeout(10):
        while None in [consumer.position(one) for one in owner.owned]:
            await consumer.fetch(owner.owned, 100)

    assert len(owner.owned) == 12
    assert time.monotonic() - began < 2


async def test_fetch_takes_at_most_what_it_is_told_and_only_from_the_partitions_named(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 10)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    first = await collect(consumer, owner, 4, at_most=4)

    none = [await consumer.fetch([], 10) for _ in range(3)]

    assert (len(first), none) == (4, [{}, {}, {}])
    assert consumer.position(ZERO) == 4


async def test_an_idle_fetch_returns_soon(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    await consumer.fetch(owner.owned, 10)

    began = time.monotonic()
    fetched = await consumer.fetch(owner.owned, 10)

    assert fetched == {}
    assert time.monotonic() - began < 0.6


async def test_a_commit_of_a_partition_that_is_not_ours_is_refused(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())

    assert await consumer.commit({Partition("quotes", 7): 1}) is False


async def test_a_commit_before_the_start_and_after_the_stop_is_refused(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))

    before = await consumer.commit({ZERO: 1})
    await consumer.start(RecordingOwner())
    await consumer.stop()

    assert (before, await consumer.commit({ZERO: 1})) == (False, False)


async def test_without_a_generation_no_commit_leaves_this_process(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())
    coordinator = consumer._client._coordinator
    sent = []
    send, coordinator._send_req = coordinator._send_req, lambda request: sent.append(request) or send(request)

    coordinator.generation = -1
    by_us = await consumer.commit({ZERO: 1})
    with pytest.raises(Exception, match="gate"):
        await coordinator._do_commit_offsets(None, {ZERO: 1})

    assert by_us is False
    assert [one for one in sent if "Commit" in type(one).__name__] == []


async def test_a_commit_that_gets_no_answer_ends(mock_cluster, consumers, monkeypatch):
    monkeypatch.setattr("events.kafka.consumer.COMMIT_S", 0.3)
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())

    mock_cluster.down()
    began = time.monotonic()
    stored = await consumer.commit({ZERO: 1})

    assert stored is False
    assert time.monotonic() - began < 2


async def test_no_broker_is_said_at_once(consumers):
    consumer = consumers(Connection("127.0.0.1:1"))

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="127.0.0.1:1"):
        await consumer.start(RecordingOwner())

    assert time.monotonic() - began < 1


async def test_a_topic_that_is_not_there_is_said_soon_and_not_created(mock_cluster, consumers):
    consumer = consumers(connect(mock_cluster), topics=["nowhere"])

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="'nowhere' does not exist.*manage.py events_topics --apply"):
        await consumer.start(RecordingOwner())

    assert time.monotonic() - began < 4
    assert mock_cluster.create_topic("nowhere", 1) is True


async def test_records_come_again_after_an_outage(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    await consumer.fetch(owner.owned, 10)

    mock_cluster.down()
    during = await consumer.fetch(owner.owned, 10)
    mock_cluster.up()
    await write(mock_cluster, 1)
    after = await asyncio.wait_for(collect(consumer, owner, 1), 15)

    assert during == {}
    assert [one.value for one in after] == [b"0"]


async def test_a_commit_below_the_start_of_the_log_goes_on_there_and_counts_the_gap(mock_cluster, consumers, caplog):
    """The mock keeps 5 MiB a partition and drops the oldest."""
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    assert await consumer.commit({ZERO: 0})
    await consumer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=mock_cluster.address, max_batch_size=900_000)
    await producer.start()
    for _ in range(8):
        await producer.send_and_wait("quotes", b"x" * 900_000)
    await producer.stop()
    kept = mock_cluster.kept("quotes", 0)

    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    with caplog.at_level(logging.WARNING, "events"):
        records = await collect(consumer, owner, 1, at_most=1)

    assert records[0].offset == kept.first > 0
    assert f"lost {kept.first} records of quotes/0" in caplog.text


async def test_a_commit_beyond_the_end_of_the_log_stops_the_consumer_and_says_what_to_do(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 2)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    assert await consumer.commit({ZERO: 5000})
    await consumer.stop()

    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    with pytest.raises(MembershipLost, match=r"offset 5000 of quotes/0, which ends at 2.*--reset-offsets"):
        await asyncio.wait_for(collect(consumer, owner, 1), 10)


async def test_what_stands_before_a_damaged_record_is_still_handed_over(mock_cluster, consumers):
    """The mock's transaction markers have a wrong checksum."""
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 3)
    producer = AIOKafkaProducer(bootstrap_servers=mock_cluster.address, transactional_id="t")
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait("quotes", b"in a transaction")
    await producer.stop()
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)

    records = await asyncio.wait_for(collect(consumer, owner, 3), 10)
    with pytest.raises(MembershipLost, match="damaged.*quotes"):
        await asyncio.wait_for(collect(consumer, owner, 9), 10)

    assert [one.offset for one in records][:3] == [0, 1, 2]


async def test_stop_is_quick_in_an_outage_and_ends_a_fetch(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    before = asyncio.all_tasks()
    mock_cluster.down()
    fetch = asyncio.create_task(consumer.fetch(owner.owned, 10))
    await asyncio.sleep(0)

    began = time.monotonic()
    await consumer.stop()
    await consumer.stop()

    assert time.monotonic() - began < 8
    assert await fetch == {}
    with pytest.raises(MembershipLost, match="stopped"):
        await consumer.fetch(owner.owned, 10)
    assert asyncio.all_tasks() <= before | {fetch}
