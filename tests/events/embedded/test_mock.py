"""The mock cluster as a fault injector: what each fault does to a real client. It runs in a child process."""

import asyncio
import sys
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from events.core.errors import EmbeddedBrokerRefused
from events.embedded import mock

PRODUCE = 0
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
async def producer(mock_cluster):
    mock_cluster.create_topic("quotes", 2)
    opened = AIOKafkaProducer(bootstrap_servers=mock_cluster.address, request_timeout_ms=30_000)
    await opened.start()
    yield opened
    mock_cluster.up()
    await opened.stop()


async def test_it_keeps_what_was_sent(mock_cluster, producer):
    await producer.send_and_wait("quotes", b"one", partition=1)
    await producer.send_and_wait("quotes", b"two", partition=1)

    assert mock_cluster.kept("quotes", 1) == (0, 2)
    assert mock_cluster.kept("quotes", 0) == (0, 0)


async def test_what_it_keeps_is_known_though_it_is_slow(mock_cluster, producer):
    await producer.send_and_wait("quotes", b"one", partition=0)

    mock_cluster.rtt(400)

    assert mock_cluster.kept("quotes", 0) == (0, 1)


def test_a_topic_is_created_once(mock_cluster):
    assert mock_cluster.create_topic("quotes", 2) is True
    assert mock_cluster.create_topic("quotes", 3) is False


def test_what_it_refuses_is_an_error_that_says_what(mock_cluster):
    with pytest.raises(RuntimeError, match=r"BrokerUnavailable: .* could not ask nothing/0"):
        mock_cluster.kept("nothing", 0)


async def test_down_refuses_clients_and_up_has_kept_the_records(mock_cluster, producer):
    await producer.send_and_wait("quotes", b"one", partition=0)

    mock_cluster.down()

    with pytest.raises(KafkaConnectionError):
        await start_producer(mock_cluster.address)
    mock_cluster.up()
    assert mock_cluster.kept("quotes", 0) == (0, 1)


async def start_producer(address):
    refused = AIOKafkaProducer(bootstrap_servers=address)
    try:
        await refused.start()
    finally:
        await refused.stop()


async def test_rtt_delays_answers(mock_cluster, producer):
    await producer.send_and_wait("quotes", b"one", partition=0)
    mock_cluster.rtt(300)

    before = time.monotonic()
    await producer.send_and_wait("quotes", b"two", partition=0)

    assert time.monotonic() - before >= 0.3


async def test_pushed_errors_are_answered_once_each(mock_cluster, producer):
    mock_cluster.push_errors(PRODUCE, TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(TopicAuthorizationFailedError):
        await producer.send_and_wait("quotes", b"refused", partition=0)

    await producer.send_and_wait("quotes", b"taken", partition=0)
    assert mock_cluster.kept("quotes", 0) == (0, 1)


async def test_the_first_member_of_a_group_waits_for_the_rebalance_delay_only(mock_cluster, producer):
    took = [await time_to_join(mock_cluster, f"group-{number}") for number in range(3)]

    mock_cluster.set_rebalance_delay(1500)
    delayed = await time_to_join(mock_cluster, "delayed")

    assert min(took) < 1.2 <= delayed  # the machine may have stood still in the others


async def time_to_join(mock_cluster, group):
    consumer = AIOKafkaConsumer(
        "quotes", bootstrap_servers=mock_cluster.address, group_id=group, session_timeout_ms=30_000
    )
    before = time.monotonic()
    await asyncio.wait_for(consumer.start(), 30)
    took = time.monotonic() - before
    await consumer.stop()
    return took


async def test_the_oldest_records_of_a_full_partition_are_dropped(mock_cluster, producer):
    for _ in range(7):
        await producer.send_and_wait("quotes", bytes(1_000_000), partition=0)

    first, end = mock_cluster.kept("quotes", 0)

    assert end == 7
    assert first == end - mock.PARTITION_BYTES // 1_000_000


def test_a_dead_child_is_told(mock_cluster):
    mock_cluster.kill()

    with pytest.raises((RuntimeError, BrokenPipeError)):
        mock_cluster.down()


def test_without_confluent_kafka_the_error_says_what_to_install(monkeypatch):
    mock._library.cache_clear()
    monkeypatch.setitem(sys.modules, "confluent_kafka.cimpl", None)

    with pytest.raises(EmbeddedBrokerRefused, match=r"django-kafka-events\[embedded\].*BOOTSTRAP_SERVERS"):
        mock.MockCluster()
