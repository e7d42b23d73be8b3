"""What only a real Apache Kafka shows of reading: deleted records, rolled back ones, outages, topics, positions."""

import asyncio
import logging
import uuid

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from events.core.broker import OutgoingRecord, Partition, Place
from events.kafka import topics
from events.kafka.consumer import KafkaConsumer
from events.kafka.positions import Positions
from events.kafka.producer import KafkaProducer
from events.kafka.topics import Shape
from tests.events.kafka.owner import RecordingOwner, collect, send
from tests.waiting import until


async def test_deleted_records_are_skipped_with_a_warning_that_counts_them(connection, admin, topic, caplog):
    results = await send(connection, topic, *[b"%d" % n for n in range(10)])
    place = Partition(topic, results[0].partition)
    consumer, owner = KafkaConsumer(connection, f"{topic}-group", [topic], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    assert await consumer.commit({place: 2})
    await consumer.stop()
    await admin.delete_records({TopicPartition(*place): RecordsToDelete(7)})

    consumer, owner = KafkaConsumer(connection, f"{topic}-group", [topic], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    with caplog.at_level(logging.WARNING, "events"):
        records = await collect(consumer, owner, 3)
    await consumer.stop()

    assert [one.offset for one in records] == [7, 8, 9]
    assert "lost 5 records" in caplog.text


async def test_a_commit_beyond_the_end_stops_its_partition_only(connection, topic, caplog):
    place = Partition(topic, 0)
    records = [OutgoingRecord(topic, b"%d" % n, b"v") for n in range(40)]
    producer = KafkaProducer(connection, deadline_s=10, client_id="writer")
    await producer.start()
    elsewhere = [one for one in await producer.send(records) if one.partition != place.number]
    await producer.stop()
    consumer, owner = KafkaConsumer(connection, f"{topic}-group", [topic], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    assert await consumer.commit({place: 5000})
    await consumer.stop()

    consumer, owner = KafkaConsumer(connection, f"{topic}-group", [topic], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    read = await collect(consumer, owner, len(elsewhere))
    async with asyncio.timeout(30):
        while "offset 5000" not in caplog.text:
            assert await consumer.fetch(owner.owned, 10) == {}
    stored = await consumer.commit({Partition(one.topic, one.partition): one.offset + 1 for one in read})
    await consumer.stop()

    assert {one.place for one in read} == set(elsewhere)
    assert stored


async def test_the_position_passes_what_was_rolled_back(connection, kafka_server, topic):
    producer = AIOKafkaProducer(bootstrap_servers=kafka_server.address, transactional_id=topic)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"never happened", partition=0)
    await producer.abort_transaction()
    await producer.stop()
    consumer, owner = KafkaConsumer(connection, f"{topic}-group", [topic], client_id="x"), RecordingOwner()
    await consumer.start(owner)

    fetched = []
    async with asyncio.timeout(30):
        while consumer.position(Partition(topic, 0)) != 2:
            fetched.append(await consumer.fetch(owner.owned, 10))
    await consumer.stop()

    assert [one for one in fetched if one] == []


async def test_topics_are_read_compared_and_created(connection):
    name = f"created-{uuid.uuid4().hex[:8]}"

    await topics.create(connection, {name: Shape(3, 1)})
    await topics.create(connection, {name: Shape(3, 1)})
    found = await topics.read(connection)

    assert found[name] == Shape(3, 1)


async def test_a_topic_that_kafka_will_not_create_is_said_with_the_reason(connection):
    with pytest.raises(Exception, match=r"too-many-replicas.*REPLICATION"):
        await topics.create(connection, {"too-many-replicas": Shape(1, 3)})


async def test_what_groups_have_committed_and_where_logs_end(connection, topic):
    [result] = await send(connection, topic, b"v")
    place = Partition(topic, result.partition)

    async with Positions(connection) as positions:
        committed = await positions.committed("nobody", [place])
        ends = await positions.ends([place])

    assert (committed, ends) == ({place: None}, {place: 1})


async def test_a_broker_that_is_away_for_five_seconds_loses_nothing(kafka_server, connection, members, topic):
    member = await members()
    producer = KafkaProducer(connection, deadline_s=120, client_id="writer")
    await producer.start()
    await producer.send([OutgoingRecord(topic, b"k", b"before")])

    kafka_server.stop()
    sending = asyncio.create_task(producer.send([OutgoingRecord(topic, b"k", b"during")]))
    during = await asyncio.wait_for(member.consumer.fetch([], 1), 30)
    await asyncio.sleep(5)
    await asyncio.to_thread(kafka_server.start)
    results = await sending
    await producer.stop()
    await until(lambda: member.records and member.records[-1].value == b"during", 60)

    assert during == {}
    assert [type(result) for result in results] == [Place]
    # Nothing was committed: a member that has to join anew reads the first one again.
    assert [*dict.fromkeys(one.value for one in member.records)] == [b"before", b"during"]
