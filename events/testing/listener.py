"""`MemoryListener`: hears all partitions of its topics on the in-memory broker, in no group."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from events.core.broker import Partition, Record
from events.core.errors import BrokerError, BrokerUnavailable
from events.testing.memory import MemoryBroker

log = logging.getLogger(__name__)


class MemoryListener:
    """One listener. `positions`: the offsets that are read next."""

    def __init__(self, broker: MemoryBroker, topics: Iterable[str]) -> None:
        self.positions: dict[Partition, int] = {}
        self._broker, self._topics = broker, sorted(topics)
        self._failure: BrokerError | None = BrokerUnavailable("This listener is not started.")

    @property
    def away(self) -> BrokerUnavailable | None:
        """What is wrong while the broker is down."""
        return None if self._broker.available else BrokerUnavailable("The in-memory broker is down.")

    async def start(self, heard: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Begin at the ends, or go on. Raises `BrokerUnavailable` when the broker is down or a topic is missing."""
        await asyncio.sleep(0)
        if not self._broker.available:
            raise BrokerUnavailable("The in-memory broker is down.")
        if missing := [topic for topic in self._topics if not self._broker.partitions(topic)]:
            raise BrokerUnavailable(f"The topic {missing[0]!r} does not exist: call create_topic first.")
        self._failure = None
        for partition in self._all():
            self.positions[partition] = heard.get(partition, 0) if heard else self._broker.logs[partition].end
        return dict(self.positions)

    async def fetch(self, at_most: int) -> Sequence[Record]:
        """What has come, or what comes in a moment."""
        if not (found := self._read(at_most)):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._broker.poll_s):
                    await self._broker.changed.wait()
            found = self._read(at_most)
        return found

    async def stop(self) -> None:
        """Close."""
        self._failure = self._failure or BrokerUnavailable("This listener was stopped.")

    def fail_fetch(self, error: BrokerError | None = None) -> None:
        """Raise from the next fetch on."""
        self._failure = error or BrokerUnavailable("The test asked for it.")

    def _read(self, at_most: int) -> list[Record]:
        if self._failure:
            raise self._failure
        found: list[Record] = []
        for partition in self._all() if self._broker.available else ():
            log_of, position = self._broker.logs[partition], self.positions.get(partition, 0)
            if position > log_of.end:
                log.warning("%s/%d has no offset %d; going on at %d.", *partition, position, log_of.end)
                position = log_of.end
            records, self.positions[partition] = log_of.read(position, at_most - len(found))
            found += records
        return found

    def _all(self) -> list[Partition]:
        return [partition for topic in self._topics for partition in self._broker.partitions(topic)]
