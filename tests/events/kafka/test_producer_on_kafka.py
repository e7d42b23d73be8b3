"""What a real Apache Kafka refuses, and a producer without a leader."""

import asyncio
import logging
import time
import uuid

from aiokafka.admin import NewTopic

from events.core.broker import OutgoingRecord, Place
from events.core.errors import BatchRefused, BrokerUnavailable, RecordRefused, TopicRefused
from events.kafka.producer import KafkaProducer
from tests.events.kafka.owner import send


async def test_one_refused_record_among_innocent_ones(connection, topic):
    """The topic takes 10 kB; the producer's own limit is 1 MB, so the broker says no."""
    together = await send(connection, topic, b"a", b"x" * 20_000, b"b")
    alone = [await send(connection, topic, value) for value in (b"a", b"x" * 20_000, b"b")]

    assert {type(result) for result in together} == {BatchRefused}
    assert [type(result) for [result] in alone] == [Place, RecordRefused, Place]


async def test_after_a_refusal_a_new_producer_goes_on_in_the_same_partition(connection, topic):
    producer = KafkaProducer(connection, deadline_s=10, client_id="writer")
    await producer.start()
    [refused] = await producer.send([OutgoingRecord(topic, b"k", b"x" * 20_000)])
    [spoilt] = await producer.send([OutgoingRecord(topic, b"k", b"a")])
    await producer.stop()

    [result] = await send(connection, topic, b"a")

    assert [type(refused), type(spoilt), type(result)] == [RecordRefused, BrokerUnavailable, Place]


async def test_a_record_without_a_key_in_a_compacted_topic_is_refused(connection, admin):
    name = f"compacted-{uuid.uuid4().hex[:8]}"
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs={"cleanup.policy": "compact"})])

    [result] = await send(connection, name, b"v", key=None)

    assert type(result) is RecordRefused
    assert "compacted topic needs a key" in str(result)


async def test_an_unknown_topic_is_refused_soon(connection):
    began = time.monotonic()
    [result] = await send(connection, "no-such-topic", b"v")

    assert type(result) is TopicRefused
    assert "events_topics --apply" in str(result)
    assert time.monotonic() - began < 8  # the deadline is 10


async def test_a_producer_without_a_leader_does_not_spin(kafka_server, connection, topic, caplog):
    """Unguarded it writes 3,400 to 7,000 log records a second (measured)."""
    producer = KafkaProducer(connection, deadline_s=6, client_id="writer")
    await producer.start()
    await producer.send([OutgoingRecord(topic, b"k", b"before")])

    kafka_server.stop()
    began = time.process_time()
    with caplog.at_level(logging.DEBUG, "aiokafka"):
        [result] = await producer.send([OutgoingRecord(topic, b"k", b"during")])
    spent = time.process_time() - began
    await producer.stop()
    await asyncio.to_thread(kafka_server.start)

    assert type(result) is BrokerUnavailable
    assert spent < 1.5  # half of the time unguarded, 2 % guarded
    assert len(caplog.records) < 200
