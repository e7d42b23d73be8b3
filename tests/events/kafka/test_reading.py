"""Reading on the mock cluster: offsets that are not there, and bytes that cannot be read stop nobody else."""

import asyncio
import logging
import time
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from events.core.broker import Partition
from events.core.engine import Engine, EngineOptions
from events.core.errors import MembershipLost
from events.core.outcome import DONE
from events.kafka.reading import Reading
from tests.events.kafka.owner import RecordingOwner, collect, commit_earlier, connect, write
from tests.waiting import until

FETCH, OFFSET_OUT_OF_RANGE = 1, 1


async def put(broker, partition, count, **more):
    """Plain records into one partition."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.address, **more)
    await producer.start()
    for n in range(count):
        await producer.send_and_wait("quotes", b"%d" % n, partition=partition)
    await producer.stop()


async def put_damaged(broker, partition):
    """A record and, behind it, a transaction marker, whose checksum is wrong on the mock."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id=f"t{partition}")
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait("quotes", b"in a transaction", partition=partition)
    await producer.stop()


class NotText(str):
    def encode(self, *_):
        return b"\xff\xfe"


async def put_bad_header(broker, partition, monkeypatch):
    """What a foreign program may write: Kafka does not look at the names of headers."""
    for module in (message_accumulator, producer_module):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    await producer.start()
    await producer.send_and_wait("quotes", b"foreign", partition=partition, headers=[(NotText("x"), b"v")])
    await producer.stop()


class Running:
    """An engine on a consumer; `handled` are partitions and offsets in order, `stored` what was committed."""

    def __init__(self, consumer):
        self.consumer, self.handled, self.stored = consumer, [], {}
        self._commit, consumer.commit = consumer.commit, self._note_commit
        self._engine = Engine(consumer, self._handle, EngineOptions(commit_interval_s=0.05, drain_s=1))

    async def _handle(self, records):
        self.handled += [(record.partition, record.offset) for record in records]
        return [DONE] * len(records)

    async def _note_commit(self, positions):
        if stored := await self._commit(positions):
            self.stored |= positions
        return stored

    def of(self, partition):
        return [offset for number, offset in self.handled if number == partition]

    async def __aenter__(self):
        self._task = asyncio.create_task(self._engine.run())
        return self

    async def __aexit__(self, *_):
        self._engine.stop()
        await self._task


async def test_a_damaged_partition_stands_still_and_the_others_go_on_and_commit(mock_cluster, consumers, caplog):
    mock_cluster.create_topic("quotes", 4)
    for partition in (0, 1, 2):
        await put(mock_cluster, partition, 20)
    await put(mock_cluster, 3, 2)
    await put_damaged(mock_cluster, 3)

    async with Running(consumers(connect(mock_cluster))) as running:
        await until(lambda: len(running.handled) == 63, 20)
        await until(lambda: "cannot read quotes/3" in caplog.text)
        await put(mock_cluster, 0, 1)
        await until(lambda: len(running.of(0)) == 21)

    assert [running.of(one) for one in (0, 1, 2, 3)] == [[*range(21)], [*range(20)], [*range(20)], [*range(3)]]
    assert [one.levelname for one in caplog.records if "cannot read" in one.message] == ["ERROR"]
    assert "--topic quotes:3 --reset-offsets --to-offset" in caplog.text
    assert "failed" not in caplog.text


async def test_what_the_others_handled_is_committed_while_one_stands_still(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 2)
    await put_damaged(mock_cluster, 0)
    await put(mock_cluster, 1, 5)

    async with Running(consumers(connect(mock_cluster))) as running:
        await until(lambda: len(running.of(1)) == 5, 20)
        await until(lambda: running.stored.get(Partition("quotes", 1)) == 5)
        committed = await running.consumer._client.committed(TopicPartition("quotes", 1))

    assert committed == 5


async def test_a_header_name_that_is_not_text_stops_its_partition_only(mock_cluster, consumers, monkeypatch, caplog):
    mock_cluster.create_topic("quotes", 2)
    await put(mock_cluster, 0, 3)
    await put_bad_header(mock_cluster, 0, monkeypatch)
    await put(mock_cluster, 0, 1)
    await put(mock_cluster, 1, 10)

    async with Running(consumers(connect(mock_cluster))) as running:
        await until(lambda: len(running.handled) == 13, 20)
        await until(lambda: "cannot read quotes/0 from offset 3 on: UnicodeDecodeError" in caplog.text)

    assert (running.of(0), running.of(1)) == ([0, 1, 2], [*range(10)])


async def test_every_damaged_partition_is_reported(mock_cluster, consumers, caplog):
    mock_cluster.create_topic("quotes", 3)
    for partition in (0, 1):
        await put_damaged(mock_cluster, partition)
    await put(mock_cluster, 2, 3)

    async with Running(consumers(connect(mock_cluster))) as running:
        await until(lambda: len(running.of(2)) == 3, 20)
        await until(lambda: all(f"cannot read quotes/{one}" in caplog.text for one in (0, 1)), 20)


async def test_a_damaged_partition_is_read_on_when_it_was_mended(mock_cluster, consumers, monkeypatch, caplog):
    monkeypatch.setattr("events.kafka.idle.Idle.put.__kwdefaults__", {"pause_s": 0.2})
    mock_cluster.create_topic("quotes", 1)
    await put_damaged(mock_cluster, 0)
    await put(mock_cluster, 0, 1)
    consumer = consumers(connect(mock_cluster))

    async with Running(consumer) as running:
        await until(lambda: "cannot read quotes/0" in caplog.text, 20)
        before = running.of(0)
        consumer._client._fetcher._check_crcs = False  # as if the leader had good bytes now
        await until(lambda: len(running.of(0)) == 2)

    assert before == [0]
    assert running.of(0) == [0, 2]


async def test_a_commit_below_the_start_of_the_log_goes_on_there_and_counts_the_gap(mock_cluster, consumers, caplog):
    """The mock keeps 5 MiB a partition and drops the oldest."""
    mock_cluster.create_topic("quotes", 1)
    await commit_earlier(mock_cluster, 0)
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


async def test_a_commit_beyond_the_end_of_the_log_stops_its_partition_only_and_says_what_to_do(
    mock_cluster, consumers, caplog
):
    mock_cluster.create_topic("quotes", 2)
    await put(mock_cluster, 0, 2)
    await put(mock_cluster, 1, 3)
    await commit_earlier(mock_cluster, 5000)

    async with Running(consumers(connect(mock_cluster))) as running:
        await until(lambda: len(running.of(1)) == 3)
        await until(lambda: "offset 5000 of quotes/0, which ends at 2" in caplog.text)

    assert running.of(0) == []
    assert "--topic quotes:0 --reset-offsets --to-earliest" in caplog.text
    assert "failed" not in caplog.text


async def test_an_offset_that_is_refused_although_it_is_there_is_asked_for_after_a_pause(
    mock_cluster, consumers, monkeypatch, caplog
):
    monkeypatch.setattr("events.kafka.offsets.THERE_PAUSE_S", 0.3)
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    await collect(consumer, owner, 1)
    mock_cluster.push_errors(FETCH, *[OFFSET_OUT_OF_RANGE] * 4)
    await write(mock_cluster, 1)

    began = time.monotonic()
    with caplog.at_level(logging.ERROR, "events"):
        records = await collect(consumer, owner, 1)
    took = time.monotonic() - began

    assert [one.offset for one in records] == [1]
    assert took > 0.8
    assert ["asking again" in text for text in caplog.messages] == [True]


class Scripted:
    """Stands in for aiokafka: `steps` are run by getmany in turn. `rebalance` makes another ownership."""

    def __init__(self, placed=(), steps=()):
        self.steps, self.sought, self.ownership = list(steps), [], 0
        self._placed = set(placed)
        self.rebalance()

    def rebalance(self):
        self.ownership += 1
        assignment = SimpleNamespace(state_value=self._state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    def _state(self, partition):
        return SimpleNamespace(has_valid_position=partition in self._placed, position=0)

    async def getmany(self, *partitions, timeout_ms, max_records):
        return self.steps.pop(0)(self, partitions) if self.steps else {}

    async def seek_to_beginning(self, *partitions):
        self.sought += partitions
        self.rebalance()

    def seek(self, partition, offset):
        self.sought.append((partition, offset))


OLD, FRESH = TopicPartition("quotes", 0), TopicPartition("new", 0)


async def test_records_of_an_ownership_that_ended_while_new_partitions_were_placed_are_not_handed_over():
    def no_offset_or_records(client, partitions):
        if FRESH in partitions:
            raise NoOffsetForPartitionError(FRESH)
        return records(client, partitions)

    def records(client, partitions):
        return {OLD: [client.ownership]} if OLD in partitions else {}

    client = Scripted([OLD], [no_offset_or_records, records, records])
    reading = Reading(client, "readers")

    fetched = await reading.next([OLD, FRESH], 10)

    assert client.sought == [FRESH]
    assert fetched in ({}, {OLD: [client.ownership]})


@pytest.mark.parametrize("error", [NoOffsetForPartitionError(OLD), OffsetOutOfRangeError({OLD: 5})])
@pytest.mark.parametrize("placed", [[], [OLD]])
async def test_what_was_raised_in_an_earlier_ownership_gets_no_answer(error, placed):
    def raise_after_a_rebalance(client, partitions):
        client.rebalance()
        raise error

    client = Scripted(placed, [raise_after_a_rebalance])

    fetched = await Reading(client, "readers").next([OLD], 10)

    assert (fetched, client.sought) == ({}, [])


async def test_damage_that_comes_with_a_rebalance_ends_the_consumer():
    """aiokafka may have thrown away records of the new ownership, and nobody knows where it stood."""

    def raise_after_a_rebalance(client, partitions):
        client.rebalance()
        raise CorruptRecordException("Invalid CRC")

    with pytest.raises(MembershipLost, match="damaged"):
        await Reading(Scripted([OLD], [raise_after_a_rebalance]), "readers").next([OLD], 10)
