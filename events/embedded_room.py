"""`EmbeddedRoom`: keeps the relay from outrunning the consumers on the embedded broker.

The arithmetic is `events.embedded.headroom`; here it meets the broker. Committed positions only grow, so what was
known before stays true: the broker is asked again only when the known room gets short.
"""

import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from events.brokers import Brokers
from events.conf import config
from events.core.broker import Partition, Place
from events.core.registry import registry
from events.core.supervisor import Loop
from events.embedded.headroom import LIMIT_BYTES, Headroom, ask_positions
from events.kafka.positions import Positions

log = logging.getLogger("events.worker")


class EmbeddedRoom:
    """The `Room` of one relay on one embedded broker. It connects at the first question; leaving it closes that."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._headroom = Headroom()
        self._stack = AsyncExitStack()
        self._positions: Positions | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._positions = None
        await self._stack.aclose()

    async def room(self) -> int:
        """How many bytes may be sent now; 0: wait. Raises `BrokerUnavailable`."""
        positions = self._positions or await self._begin()
        if self._brokers.hold:
            self._headroom.groups(self._brokers.hold.groups)
        if self._headroom.room() < LIMIT_BYTES // 2:
            await ask_positions(self._headroom, positions.committed)
        for line in self._headroom.warnings():
            log.warning(line)
        return self._headroom.room()

    def sent(self, place: Place, size: int) -> None:
        """A record of `size` bytes is in the broker."""
        self._headroom.sent(place, size)

    async def _begin(self) -> Positions:
        positions = await self._stack.enter_async_context(Positions(self._brokers.connection()))
        for partition, end in (await positions.ends(_declared_partitions())).items():
            self._headroom.found(partition, end)
        self._positions = positions
        return positions


class InRoom:
    """A loop, and the room that it uses for as long as it runs."""

    def __init__(self, loop: Loop, room: EmbeddedRoom) -> None:
        self._loop, self._room = loop, room

    def stop(self) -> None:
        """Ask the loop to stop."""
        self._loop.stop()

    async def run(self) -> None:
        """Run the loop, then close the room."""
        async with self._room:
            await self._loop.run()


def _declared_partitions() -> list[Partition]:
    prefix, partitions = config().PREFIX, config().partitions
    return [Partition(prefix + topic, number) for topic in registry.topics() for number in range(partitions(topic))]
