"""The private names of aiokafka: all there in the installed version, and a clear error when one is not."""

from types import SimpleNamespace

import pytest

from events.core.errors import BrokerError
from events.kafka import private
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.producer import KafkaProducer
from tests.events.kafka.owner import RecordingOwner


def test_a_missing_name_is_said_with_its_use_and_the_versions_that_have_it():
    with pytest.raises(BrokerError, match=r"no SimpleNamespace.a.c, which events needs to see.*aiokafka>=0.14,<0.15"):
        private.require(SimpleNamespace(a=SimpleNamespace(b=1)), {"a.b": "to hear", "a.c": "to see"})


async def test_the_installed_version_has_every_name(mock_cluster):
    mock_cluster.create_topic("quotes", 1)
    connection = Connection(mock_cluster.address, embedded=True)
    consumer = KafkaConsumer(connection, "group", ["quotes"], client_id="test")
    producer = KafkaProducer(connection, deadline_s=5, client_id="test")

    await consumer.start(RecordingOwner())
    await producer.start()
    private.require(consumer._client, private.CONSUMER)
    private.require(consumer._client._client, private.CLIENT)
    private.require(producer._client, private.PRODUCER)
    connections = [*consumer._client._client._conns.values()]
    for one in connections:
        private.require(one, private.CONNECTION)
    await consumer.stop()
    await producer.stop()

    assert connections


async def test_a_consumer_refuses_a_client_that_lacks_a_name(mock_cluster, monkeypatch):
    mock_cluster.create_topic("quotes", 1)
    monkeypatch.setattr(private, "CONSUMER", {"_coordinator.nothing_like_it": "to be safe"})
    consumer = KafkaConsumer(Connection(mock_cluster.address, embedded=True), "group", ["quotes"], client_id="test")

    with pytest.raises(BrokerError, match="nothing_like_it"):
        await consumer.start(RecordingOwner())
