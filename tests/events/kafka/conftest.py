"""What the tests of the Kafka client share: the mock cluster, and on a real Kafka a topic and members of a group."""

import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from tests.broker_under_test import until_there
from tests.brokers import mock_cluster
from tests.events.kafka.owner import Member

__all__ = ["mock_cluster"]

# Nobody waits for a session to end here, so it is long: a machine that stands still for a while throws no member out.
QUICK = {"session_timeout_ms": 30_000, "heartbeat_interval_ms": 200, "retry_backoff_ms": 200}


@pytest.fixture
def connection(kafka_server):
    return Connection(kafka_server.address, consumer=QUICK)


@pytest.fixture
async def admin(kafka_server):
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_server.address)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def topic(admin):
    """A topic of its own, with 4 partitions, that takes records of 10 kB at most."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    await admin.create_topics([NewTopic(name, 4, 1, topic_configs={"max.message.bytes": "10000"})])
    await until_there(admin, name, 4)
    return name


@pytest.fixture
async def members(connection, topic):
    """Makes started members of one group, over `connection` or another one, and stops them at the end."""
    made, group = [], f"group-{uuid.uuid4().hex[:8]}"

    async def make(at=connection):
        made.append(Member(at, group, topic))
        await made[-1].start()
        return made[-1]

    yield make
    for member in made:
        await member.stop()


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
