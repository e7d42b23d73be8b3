"""`BrokerUnderTest`: what the contract tests ask of a broker, in memory, embedded or real."""

from collections.abc import Iterable
from typing import Protocol

from events.core.broker import Consumer, Producer
from events.testing.memory import MemoryBroker


class BrokerUnderTest(Protocol):
    """One broker. Names of topics and groups are the test's own; they may be made unique behind its back."""

    async def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic and wait until it can be used."""

    def producer(self) -> Producer:
        """A new producer, not started."""

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """A new member of a group, not started; its group starts at the beginning."""


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
