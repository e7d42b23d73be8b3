"""`Headroom`: how far the relay may run ahead of the consumers on the embedded broker.

A partition of it keeps 5 MiB and drops the oldest in silence. So the relay asks `room()` before each batch and waits
in the outbox while some group has 60 % of that still to read, and warns. It warns of a partition that no group reads,
too, when so much was sent: what a group that comes later will miss is lost soon. No I/O here: the relay tells what it
sent, `ask_positions` fetches what the groups have committed.

        committed by the slowest group         sent by us
    ───────────┼──────────────────────────────────┼──▶ offsets
               └── waiting: at most limit_bytes ──┘

Where it does not know, it takes the worse:
* a group that has committed nothing is at the beginning;
* records that were there at the start, sent by an earlier relay, have no known size: a partition has no room until
  every group that reads it has committed the end that `found` was told;
* offsets of others between our own (`send`, dead letters) count with the mean size of ours;
* each record is given `FRAMING_BYTES` on top, and compression counts for nothing.

A broker that was replaced begins anew: so does this, with a new object.
What it cannot know: a group that no process of now has declared to the broker is not waited for, though it may come
back. Nor the bytes that others sent to a partition, or an earlier relay: the broker itself knows offsets only, and
says when it has dropped records.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Collection, Iterator, Mapping
from typing import Protocol

from events.core.broker import Partition, Place
from events.embedded.mock import PARTITION_BYTES

LIMIT_BYTES = PARTITION_BYTES * 60 // 100
"""How many bytes of a partition may wait for a group. One record more, of 1 MiB at most, still has its place."""

CROWDED_BYTES = LIMIT_BYTES
"""So many bytes in a partition are worth a warning: where a group reads it, the relay waits from now on."""

FRAMING_BYTES = 100
"""What the broker stores on top of key, value and headers: 61 for a batch of one record, lengths and deltas."""


class AskPositions(Protocol):
    """Asks the broker what a group has committed. None, or left out: nothing yet."""

    def __call__(self, group: str, partitions: Collection[Partition], /) -> Awaitable[Mapping[Partition, int | None]]:
        """The offsets at which the group would start again."""


class Log:
    """What a partition holds, as far as it matters: offsets and the bytes up to each of them."""

    def __init__(self) -> None:
        self.unknown_below = 0
        self._offsets: list[int] = []
        self._totals: list[int] = [0]  # one longer than offsets: _totals[i] bytes lie before _offsets[i]

    @property
    def end(self) -> int:
        """The offset after the last known one."""
        return self._offsets[-1] + 1 if self._offsets else self.unknown_below

    def append(self, offset: int, size: int) -> None:
        """Add a record of `size` bytes; the offsets of others before it count with our mean."""
        if not self._offsets:
            self.unknown_below = max(self.unknown_below, offset)
        elif gap := max(offset - self.end, 0):
            self._add(offset - 1, gap * (self._totals[-1] - self._totals[0]) // len(self._offsets))
        self._add(max(offset, self.end - 1), size)  # out of order: counted later than it stands, so for longer
        self._forget()

    @property
    def sent(self) -> int:
        """The bytes since the start."""
        return self._totals[-1]

    def waiting(self, position: int) -> int:
        """The bytes from `position` on."""
        return self._totals[-1] - self._totals[bisect_left(self._offsets, position)]

    def _add(self, offset: int, size: int) -> None:
        self._offsets.append(offset)
        self._totals.append(self._totals[-1] + size)

    def _forget(self) -> None:
        # More than a partition keeps is gone from the broker too. In chunks: deleting in front moves all the rest.
        old = bisect_left(self._totals, self._totals[-1] - 2 * PARTITION_BYTES)
        if old > 1024:
            del self._offsets[:old], self._totals[:old]


class Headroom:
    """How many bytes the relay may send. `limit_bytes`: how many may wait in a partition for a group."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._logs: dict[Partition, Log] = {}
        self._readers: dict[str, frozenset[str]] = {}
        self._positions: dict[tuple[str, Partition], int] = {}
        self._warned: set[Partition] = set()

    def groups(self, topics_of: Mapping[str, Collection[str]]) -> None:
        """These are the groups now, with the topics that each reads. What was known of others is forgotten."""
        if self._readers.keys() - topics_of.keys():
            self._positions = {place: offset for place, offset in self._positions.items() if place[0] in topics_of}
        self._readers = {name: frozenset(topics) for name, topics in topics_of.items()}

    def found(self, partition: Partition, end: int) -> None:
        """At the start the partition ended at offset `end`: what lies before was not sent by this relay."""
        self._log(partition).unknown_below = end

    def sent(self, place: Place, size_bytes: int) -> None:
        """A record is in the broker. `size_bytes`: its key, value and headers (`OutgoingRecord.size`)."""
        self._log(Partition(place.topic, place.partition)).append(place.offset, size_bytes + FRAMING_BYTES)

    def committed(self, group: str, positions: Mapping[Partition, int | None]) -> None:
        """A group would start again at these offsets; None: it has committed nothing there."""
        self._positions.update({(group, partition): offset or 0 for partition, offset in positions.items()})

    def room(self) -> int:
        """How many bytes may be sent now, in all; 0: wait. One batch may overshoot it, by its own size."""
        return max(0, min((self._room(partition) for partition in self._logs), default=self._limit_bytes))

    def to_ask(self) -> dict[str, list[Partition]]:
        """The partitions, by group, whose committed offsets would change the answer: those not read to the end."""
        asked: dict[str, list[Partition]] = {}
        for partition, log in self._logs.items():
            for group in self._groups_of(partition):
                if self._position(group, partition) < log.end:
                    asked.setdefault(group, []).append(partition)
        return asked

    def warnings(self) -> Iterator[str]:
        """One line for each partition that became crowded since the last call, and for whom it waits."""
        for partition in self._logs:
            if not self._groups_of(partition):
                yield from self._unread(partition)
                continue
            group, waiting = self._slowest(partition)
            if waiting < CROWDED_BYTES // 2 and not self._unknown(partition):
                self._warned.discard(partition)
            elif partition not in self._warned and (waiting >= CROWDED_BYTES or self._unknown(partition)):
                self._warned.add(partition)
                yield self._crowded(partition, group, waiting=waiting)

    def _crowded(self, partition: Partition, group: str, *, waiting: int) -> str:
        what = "what an earlier run sent" if self._unknown(partition) else f"{waiting:,} bytes of 5 MiB"
        then = f"From {self._limit_bytes:,} bytes on the outbox holds back the rest."
        if self._unknown(partition):
            then = (
                f"The outbox holds everything back until group {group} has read it; if nobody runs that group any "
                "more, stop all that use the broker, and then: manage.py events_broker --stop"
            )
        return f"{partition.topic}/{partition.number}: {what} on the embedded broker waits for group {group}. {then}"

    def _unread(self, partition: Partition) -> Iterator[str]:
        if partition not in self._warned and self._logs[partition].sent >= CROWDED_BYTES:
            self._warned.add(partition)
            yield (
                f"{partition.topic}/{partition.number}: {self._logs[partition].sent:,} bytes were sent to the embedded "
                "broker, which keeps 5 MiB and drops the oldest. No group reads them: one that comes later misses some."
            )

    def _unknown(self, partition: Partition) -> bool:
        below = self._logs[partition].unknown_below
        return any(self._position(group, partition) < below for group in self._groups_of(partition))

    def _room(self, partition: Partition) -> int:
        if self._unknown(partition):
            return 0
        return self._limit_bytes - self._slowest(partition)[1]

    def _slowest(self, partition: Partition) -> tuple[str, int]:
        groups = self._groups_of(partition)
        slowest = min(groups, key=lambda group: self._position(group, partition), default="")
        return slowest, self._logs[partition].waiting(self._position(slowest, partition)) if slowest else 0

    def _groups_of(self, partition: Partition) -> list[str]:
        return [name for name, topics in self._readers.items() if partition.topic in topics]

    def _position(self, group: str, partition: Partition) -> int:
        return self._positions.get((group, partition), 0)

    def _log(self, partition: Partition) -> Log:
        return self._logs.setdefault(partition, Log())


async def ask_positions(headroom: Headroom, ask: AskPositions) -> None:
    """Bring what the groups have committed up to date. Raises what `ask` raises."""
    for group, partitions in headroom.to_ask().items():
        headroom.committed(group, await ask(group, partitions))
