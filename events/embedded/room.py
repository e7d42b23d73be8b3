"""`BrokerRoom`: what the relay asks before each batch on the embedded broker, and tells after it.

It belongs to one relay on one broker: when the broker is replaced, offsets begin anew, so build a new one.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from events.core.broker import Partition, Place
from events.embedded.headroom import LIMIT_BYTES, Headroom, ask_positions

logger = logging.getLogger("events.embedded")


class Positions(Protocol):
    """Asks a broker about groups and logs. Raises `BrokerUnavailable`."""

    async def committed(self, group: str, partitions: Collection[Partition]) -> Mapping[Partition, int | None]:
        """Where the group would start again; None: it has committed nothing."""

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the next record of each partition will get."""


class BrokerRoom:
    """How many bytes the relay may send now.

    `topics`: those it may send to, with their partitions. `groups`: asked each time, for other processes declare
    theirs later, and end (`Hold.groups`). `open_positions`: opens what can be asked; open during one question only.
    """

    def __init__(
        self,
        topics: Mapping[str, int],
        groups: Callable[[], Mapping[str, Sequence[str]]],
        *,
        open_positions: Callable[[], AbstractAsyncContextManager[Positions]],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._partitions = [Partition(name, number) for name, count in topics.items() for number in range(count)]
        self._groups = groups
        self._open_positions = open_positions
        self._enough = limit_bytes // 2
        self._headroom = Headroom(limit_bytes)
        self._looked = False

    async def room(self) -> int:
        """How many bytes may be sent now; 0: wait. Asks the broker only when room gets short."""
        self._headroom.groups(self._groups())
        if not self._looked or self._headroom.room() < self._enough:
            await self._ask()
        for line in self._headroom.warnings():
            logger.warning(line)
        return self._headroom.room()

    def sent(self, place: Place, size: int) -> None:
        """A record of `size` bytes (`OutgoingRecord.size`) is in the broker."""
        self._headroom.sent(place, size)

    async def _ask(self) -> None:
        async with self._open_positions() as positions:
            if not self._looked:
                for partition, end in (await positions.ends(self._partitions)).items():
                    self._headroom.found(partition, end)
                self._looked = True
            await ask_positions(self._headroom, positions.committed)
