"""The declared topics against those of the cluster: what differs, and creating what is missing.

Nothing is ever deleted or made smaller, and more partitions are never added: that would move keys to other
partitions, and the order of their events with them.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from events.core.errors import BrokerError, BrokerUnavailable
from events.kafka.client import prepare
from events.kafka.connection import Connection
from events.kafka.failures import described, unavailable
from events.kafka.logs import calm_logs


@dataclass(frozen=True, slots=True)
class Shape:
    """How many partitions a topic has, and how many replicas each."""

    partitions: int
    replication: int

    def __str__(self) -> str:
        return f"{_count(self.partitions, 'partition')}, {_count(self.replication, 'replica')}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that is not as declared. `found` is None when it is missing."""

    topic: str
    wanted: Shape
    found: Shape | None

    @property
    def what(self) -> str:
        """In words: `missing`, `fewer partitions`, `more partitions`, `other replication`; the first that holds."""
        if self.found is None:
            return "missing"
        if self.found.partitions != self.wanted.partitions:
            return f"{'fewer' if self.found.partitions < self.wanted.partitions else 'more'} partitions"
        return "other replication"


def plan(declared: Mapping[str, Shape], existing: Mapping[str, Shape]) -> list[Difference]:
    """What differs, sorted by topic. Topics that nobody declared are nobody's business here."""
    pairs = [(topic, declared[topic], existing.get(topic)) for topic in sorted(declared)]
    return [Difference(topic, wanted, found) for topic, wanted, found in pairs if wanted != found]


async def read(connection: Connection) -> dict[str, Shape]:
    """All topics that we may see. Raises `BrokerUnavailable`."""
    async with _admin(connection) as admin:
        with unavailable("Reading the topics"):
            described_topics = await admin.describe_topics()  # all: asking for one by name could create it
    return {one["topic"]: _shape(one["partitions"]) for one in described_topics if not one["error_code"]}


async def create(connection: Connection, missing: Mapping[str, Shape]) -> None:
    """Create topics; one that is there by now is left as it is.

    Raises `BrokerUnavailable`, and `BrokerError` with the reason for each topic that Kafka would not create; the
    others were created.
    """
    new = [NewTopic(topic, shape.partitions, shape.replication) for topic, shape in missing.items()]
    async with _admin(connection) as admin:
        if admin._client.cluster.controller is None:
            raise BrokerUnavailable("Creating topics: the cluster has no controller just now.")
        with unavailable("Creating topics"):
            response = await admin.create_topics(new)
    failed = [text for topic, code, *said in response.topic_errors if (text := _failure(topic, code, said=said))]
    if failed:
        raise BrokerError(" ".join(failed))


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[Any]:
    calm_logs()
    admin = connection.new_admin()
    prepare(admin._client)
    try:
        with unavailable(f"Connecting to {connection.bootstrap_servers}"):
            await admin.start()
        yield admin
    finally:
        await admin.close()


def _shape(partitions: list[Mapping[str, Any]]) -> Shape:
    return Shape(len(partitions), min((len(one["replicas"]) for one in partitions), default=0))


def _failure(topic: str, code: int, *, said: list[str | None]) -> str:
    """aiokafka does not raise for these: they come back inside the response."""
    error = for_code(code)
    if error in (NoError, TopicAlreadyExistsError):
        return ""
    if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        return f"{topic} was not created: the user may not. Grant CREATE on it, or have it created by somebody who may."
    text = f"{topic} was not created: {described(error())}" + (f" {said[0]}" if said and said[0] else "")
    if error is InvalidReplicationFactorError:
        text += ' Lower EVENTS["REPLICATION"], or the topic\'s in EVENTS["TOPICS"], to the number of brokers.'
    return text


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
