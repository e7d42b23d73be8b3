"""`BrokerUnderTest`: what the contract tests ask of a broker, in memory, embedded or real."""

import asyncio
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from aiokafka.admin import NewPartitions

from events.core.broker import (
    Claim,
    Consumer,
    Listener,
    OutgoingRecord,
    Owner,
    Partition,
    Place,
    Producer,
    Record,
    SendResult,
)
from events.core.errors import BrokerUnavailable
from events.kafka import topics
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.listener import KafkaListener
from events.kafka.producer import KafkaProducer
from events.kafka.topics import Shape
from events.testing.listener import MemoryListener
from events.testing.memory import MemoryBroker
from tests.waiting import POLL_S


class BrokerUnderTest(Protocol):
    """One broker. Names of topics and groups are the test's own; they may be made unique behind its back."""

    async def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic and wait until it can be used."""

    def producer(self) -> Producer:
        """A new producer, not started."""

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """A new member of a group, not started; its group starts at the beginning."""

    def listener(self, topics: Iterable[str]) -> Listener:
        """A new listener, not started."""

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Give a topic so many partitions in all, and wait until they can be used."""


class InMemory:
    """`MemoryBroker` as a broker under test."""

    def __init__(self) -> None:
        self.memory = MemoryBroker()

    async def create_topic(self, name: str, partitions: int = 1) -> None:
        self.memory.create_topic(name, partitions)

    def producer(self) -> Producer:
        return self.memory.producer()

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        return self.memory.consumer(group, topics)

    def listener(self, topics: Iterable[str]) -> Listener:
        return MemoryListener(self.memory, topics)

    async def add_partitions(self, topic: str, partitions: int) -> None:
        self.memory.create_topic(topic, partitions)


class OnKafka:
    """A Kafka, with our client. Every object has names of its own, so that tests do not meet each other's records."""

    def __init__(self, address: str) -> None:
        groups = {"session_timeout_ms": 30_000, "heartbeat_interval_ms": 200}  # longer than a machine stands still
        quick = {**groups, "retry_backoff_ms": 200, "metadata_max_age_ms": 1000}
        self._connection = Connection(address, consumer=quick)
        self._suffix = f"-{uuid.uuid4().hex[:8]}"

    async def create_topic(self, name: str, partitions: int = 1) -> None:
        await topics.create(self._connection, {name + self._suffix: Shape(partitions, 1)})
        admin = self._connection.new_admin()
        await admin.start()
        await until_there(admin, name + self._suffix, partitions)
        await admin.close()

    def producer(self) -> Producer:
        return _Renamed(KafkaProducer(self._connection, deadline_s=20, client_id="test"), self._suffix)

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        named = [topic + self._suffix for topic in topics]
        consumer = KafkaConsumer(self._connection, group + self._suffix, named, client_id="test")
        return _RenamedConsumer(consumer, self._suffix)

    def listener(self, topics: Iterable[str]) -> Listener:
        named = [topic + self._suffix for topic in topics]
        return _RenamedListener(KafkaListener(self._connection, named, name="Test", client_id="test"), self._suffix)

    async def add_partitions(self, topic: str, partitions: int) -> None:
        admin, name = self._connection.new_admin(), topic + self._suffix
        await admin.start()
        await admin.create_partitions({name: NewPartitions(partitions)})
        await until_there(admin, name, partitions)
        await admin.close()


class _Renamed:
    """A producer whose topics have a suffix that its user does not see."""

    def __init__(self, producer: Producer, suffix: str) -> None:
        self._producer, self._suffix = producer, suffix
        self.start, self.stop, self.away = producer.start, producer.stop, None

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        results = await self._producer.send([replace(one, topic=one.topic + self._suffix) for one in records])
        return [_cut(one, self._suffix) if isinstance(one, Place) else one for one in results]


class _RenamedConsumer:
    """A consumer whose topics have a suffix that its user does not see."""

    def __init__(self, consumer: Consumer, suffix: str) -> None:
        self._consumer, self._suffix = consumer, suffix
        self.stop = consumer.stop

    async def start(self, owner: Owner) -> None:
        await self._consumer.start(_RenamedOwner(owner, self._suffix))

    async def fetch(self, partitions: Collection[Partition], at_most: int) -> Mapping[Partition, Sequence[Record]]:
        fetched = await self._consumer.fetch([_long(one, self._suffix) for one in partitions], at_most)
        return {_cut(one, self._suffix): _records(records, self._suffix) for one, records in fetched.items()}

    def position(self, partition: Partition) -> int | None:
        return self._consumer.position(_long(partition, self._suffix))

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        return await self._consumer.commit({_long(one, self._suffix): offset for one, offset in positions.items()})


class _RenamedListener:
    """A listener whose topics have a suffix that its user does not see."""

    def __init__(self, listener: Listener, suffix: str) -> None:
        self._listener, self._suffix = listener, suffix
        self.stop = listener.stop

    @property
    def away(self) -> BrokerUnavailable | None:
        return self._listener.away

    async def start(self, heard: Mapping[Partition, int]) -> Mapping[Partition, int]:
        begins = await self._listener.start({_long(one, self._suffix): offset for one, offset in heard.items()})
        return {_cut(one, self._suffix): offset for one, offset in begins.items()}

    async def fetch(self, at_most: int) -> Sequence[Record]:
        return _records(await self._listener.fetch(at_most), self._suffix)


class _RenamedOwner:
    """What a consumer with long names sees of an owner that knows the short ones."""

    def __init__(self, owner: Owner, suffix: str) -> None:
        self._owner, self._suffix = owner, suffix
        self.give_up, self.lost, self.reach = owner.give_up, owner.lost, owner.reach

    def report(self) -> list[Claim]:
        return [Claim(_long(one.partition, self._suffix), one.draining) for one in self._owner.report()]

    def apply(self, assigned: Collection[Partition], release: Collection[Partition] = ()) -> None:
        self._owner.apply(*([_cut(one, self._suffix) for one in some] for some in (assigned, release)))


async def until_there(admin, topic, partitions):
    """Until the broker has a leader for each: it may have told of the topic's creation before."""
    led = 0
    async with asyncio.timeout(30):
        while led < partitions:
            await asyncio.sleep(POLL_S)
            [described] = await admin.describe_topics([topic])
            led = sum(one["leader"] >= 0 for one in described["partitions"])


def _long(place, suffix):
    return place._replace(topic=place.topic + suffix)


def _cut(place, suffix):
    return place._replace(topic=place.topic.removesuffix(suffix))


def _records(records, suffix):
    return [replace(one, topic=one.topic.removesuffix(suffix)) for one in records]
