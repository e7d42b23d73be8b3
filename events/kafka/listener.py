"""`KafkaListener`: hears all partitions of its topics, in no group: nothing is committed, nobody else is concerned.

aiokafka's own following of new partitions forgets the positions of the old ones. So partitions are assigned by hand,
and again, with all positions, when the client's metadata show new ones.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from events.core.broker import Partition, Record
from events.core.errors import BrokerUnavailable
from events.kafka import private
from events.kafka.client import bounded, close, prepare, require_topics
from events.kafka.connection import Connection
from events.kafka.failures import unavailable
from events.kafka.logs import calm_logs
from events.kafka.reading import Reading, record_of
from events.kafka.tail import Tail

START_S = 10.0
STOP_S = 3.0
CLOSE_S = 1.0


class KafkaListener:
    """A listener to `topics` (names on the wire). `name` is how our log calls it, `client_id` how the brokers' do."""

    def __init__(self, connection: Connection, topics: Collection[str], *, name: str, client_id: str) -> None:
        self._connection, self._topics, self._name, self._client_id = connection, sorted(topics), name, client_id
        self._client: Any = None
        self._reading: Reading | None = None
        self._tail: Tail | None = None
        self._stopped = False
        self.away: BrokerUnavailable | None = None
        self._places: dict[Any, int] = {}
        """The partitions read, and where they were when they were assigned."""

    async def start(self, heard: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Connect, and return where each partition begins. Raises `BrokerUnavailable`, also when a topic is missing."""
        calm_logs()
        client = self._client = self._connection.new_listener(self._client_id)
        try:
            with unavailable(f"{self._name}: listening at {self._connection.bootstrap_servers}"):
                async with asyncio.timeout(START_S):
                    await self._begin(client, heard)
        except BaseException:
            await self.stop()
            raise
        return {Partition(*one): offset for one, offset in self._places.items()}

    async def fetch(self, at_most: int) -> Sequence[Record]:
        """Wait a moment for records. Raises `BrokerUnavailable` when this listener is of no more use."""
        if self._stopped or self._reading is None or self._tail is None:
            raise BrokerUnavailable("This listener was stopped, or never started.")
        with unavailable(f"{self._name}: listening"):
            await self._take_new(self._reading)
            await self._tail.go_on()
            fetched = await self._reading.next([one for one in self._places if one not in self._tail.lost], at_most)
        return [record_of(record) for records in fetched.values() for record in records]

    async def stop(self) -> None:
        """Close, within some seconds. Never raises. A second call does nothing."""
        if self._stopped or self._client is None:
            return
        self._stopped = True
        await bounded(self._client.stop(), STOP_S)
        if self._client._fetcher is not None:
            await bounded(self._client._fetcher.close(), CLOSE_S)
        await bounded(close(self._client._client), CLOSE_S)

    def _hear(self, error: BrokerUnavailable | None) -> None:
        self.away = error

    async def _begin(self, client: Any, heard: Mapping[Partition, int]) -> None:
        prepare(client._client, told=self._hear)
        await client.start()
        private.require(client, private.LISTENER)
        await require_topics(client._client, self._topics)
        here = self._here()
        known = {one: heard[place] for one in here if (place := Partition(*one)) in heard}
        others = [one for one in here if one not in known]
        begins = await (client.beginning_offsets(others) if heard else client.end_offsets(others))
        self._tail = Tail(client, self._name)
        self._reading = Reading(client, self._name, rules=self._tail)
        self._assign({**known, **begins})

    def _here(self) -> list[Any]:
        """The partitions that the brokers have told of so far."""
        numbers = self._client._client.cluster.partitions_for_topic
        return [TopicPartition(topic, number) for topic in self._topics for number in sorted(numbers(topic) or ())]

    async def _take_new(self, reading: Reading) -> None:
        if new := [one for one in self._here() if one not in self._places]:
            begins = await self._client.beginning_offsets(new)
            stand = {
                one: place if (now := reading.position(one)) is None else now for one, place in self._places.items()
            }
            self._assign({**stand, **begins})

    def _assign(self, places: dict[Any, int]) -> None:
        """Read these partitions from these offsets. Nothing is awaited: aiokafka must not look for them in between."""
        self._places = places
        self._client.assign(list(places))
        for partition, offset in places.items():
            self._client.seek(partition, offset)
