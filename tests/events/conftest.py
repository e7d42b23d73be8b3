"""A place to declare subscribers and make records, threads to handle them on, and a relay to a Kafka of the tests."""

import pytest

from events.core import event as event_module
from events.core.registry import registry
from events.database import database_threads
from events.relay import Relay
from tests.broker_under_test import InMemory, OnKafka
from tests.brokers import mock_cluster  # noqa: F401  (a fixture)
from tests.effects import Happened, Shop
from tests.events.relaying import QUICK
from tests.producers import FakeKafka


@pytest.fixture
def shop():
    """An empty registry of its own."""
    return Shop()


@pytest.fixture
def declared(monkeypatch):
    """A default registry with one event class and no subscriber."""
    monkeypatch.setattr(registry, "subscribers", [])
    monkeypatch.setattr(event_module, "declared", [Happened])
    return registry


@pytest.fixture
def events(settings, declared, outbox_database):
    """Change `EVENTS` in a test."""

    def change(**keys):
        settings.EVENTS = {**settings.EVENTS, "RELAY_INTERVAL": 0.05, "COMMIT_INTERVAL": 0.05, **keys}

    return change


@pytest.fixture
async def threads(outbox_database):
    """As many database threads as the settings say, ended after the test."""
    async with database_threads() as threads:
        yield threads


@pytest.fixture
def kafka():
    """A Kafka that fails as it is told to."""
    return FakeKafka()


@pytest.fixture
def relay(kafka, database_thread):
    """A relay to it, with short times."""
    return Relay(kafka.make_producer, database_thread, options=QUICK)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def broker(request):
    """Each broker in turn, with the topic `quotes` of 4 partitions."""
    broker = OnKafka(request.getfixturevalue("kafka_server").address) if request.param == "kafka" else InMemory()
    await broker.create_topic("quotes", 4)
    return broker
