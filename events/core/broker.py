"""What we ask of a broker: the two shapes that travel, and the faces of those who move them.

An `OutgoingRecord` travels until Kafka has it, a `Record` after it. The event object itself exists only in the
view that publishes and in the subscriber.

`Producer`, `Consumer` and `Listener` have two implementations each: `events.kafka` and `events.testing`. Both obey
the same tests. `Owner` is the engine as a consumer sees it: who works on the partitions, and gives them up.

    Consumer ──asks──▶ Owner      report · apply · give_up · lost        (around a rebalance)
    Engine   ──asks──▶ Consumer   start · fetch · position · commit · stop
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from events.core.errors import BrokerUnavailable, RecordRefused

type Headers = tuple[tuple[str, bytes | None], ...]
"""Header names and values in the order of the wire. A name may come twice; the last one wins. Kafka has null values."""


class Partition(NamedTuple):
    """One log of a topic. `number` counts from 0."""

    topic: str
    number: int


class Place(NamedTuple):
    """Where a record stands in Kafka. Offsets count from 0 in each partition."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record that has no place yet. `topic` is the name on the wire, prefix included."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, without the broker's own framing."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value) + headers


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Record:
    """Bytes at a place in Kafka, as the client handed them over. Two records are never equal, only identical."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0

    @property
    def place(self) -> Place:
        """Topic, partition and offset."""
        return Place(self.topic, self.partition, self.offset)

    def header(self, name: str) -> bytes | None:
        """The value of the last header of this name; None where there is none, or where it is null."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


type SendResult = Place | RecordRefused | BrokerUnavailable
"""What became of one outgoing record. Refused: it never goes (`TopicRefused`: not before its topic is mended).
Unavailable: it may have gone, or not."""


class Producer(Protocol):
    """Hands records to Kafka. One `send` at a time; after one that was cancelled, or any result that is not a `Place`,
    build a new one."""

    @property
    def away(self) -> BrokerUnavailable | None:
        """What is wrong when the brokers have stopped to answer since it was started, as far as it has noticed."""

    async def start(self) -> None:
        """Connect. Raises `BrokerUnavailable` at once when nobody answers."""

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        """Send in order and wait until the brokers have them all, or the deadline passes. One result a record."""

    async def stop(self) -> None:
        """Flush within a time limit, then close, hard if need be. Never raises, never hangs.

        After a `send` that failed or was cancelled nothing is flushed.
        """


class Claim(NamedTuple):
    """A partition somebody works on. `draining`: being given up, not yet finished."""

    partition: Partition
    draining: bool


class Owner(Protocol):
    """The engine as its consumer sees it: told what it owns, asked what it works on.

    Eager rebalancing calls `give_up` in revoked, then `apply` with an empty release set. Cooperative rebalancing
    will call `report`, then `apply` with what is to be drained. The engine does not know the mode.
    """

    def report(self) -> list[Claim]:
        """The partitions worked on, live or draining, the cheapest to give up first."""

    def apply(self, assigned: Collection[Partition], release: Collection[Partition] = ()) -> None:
        """Take over `assigned`, drain those also in `release`, drop all others. Synchronous and idempotent."""

    async def give_up(self) -> None:
        """Drain everything within the drain limit, commit, and drop it all: the partitions go to somebody else."""

    def lost(self, why: str) -> None:
        """The group has thrown us out: drop everything, commit nothing."""

    def reach(self, error: BrokerUnavailable | None) -> None:
        """The brokers have stopped to answer, as this error says; None: they do again. May be told more than once."""


class Consumer(Protocol):
    """One member of one group. Objects are used once: after an error, or a stop, build a new one."""

    async def start(self, owner: Owner) -> None:
        """Join the group. Raises `BrokerUnavailable` at once when nobody answers. May be cancelled: then `stop` it."""

    async def fetch(self, partitions: Collection[Partition], at_most: int) -> Mapping[Partition, Sequence[Record]]:
        """Wait a moment (200 ms at most without a rebalance) for records of `partitions`; {} when there are none.

        Never cancel it: the client counts on seeing the end of every call. With no partitions it still keeps the
        membership alive. Raises `BrokerError` when this consumer is of no more use.
        """

    def position(self, partition: Partition) -> int | None:
        """The offset after the last one handed over, gaps of compaction and transactions included; or None."""

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Store where to start again. False: refused or the gate is shut; the next assignment starts from Kafka's
        truth. True only when the broker has stored it. May be cancelled: then it is not known whether it was."""

    async def stop(self) -> None:
        """Leave the group and close. Never raises, never hangs, never commits."""


class Listener(Protocol):
    """Hears all partitions of its topics, in no group. Objects are used once: after an error or a stop, build a new
    one."""

    @property
    def away(self) -> BrokerUnavailable | None:
        """What is wrong when the brokers have stopped to answer since it was started, as far as it has noticed."""

    async def start(self, heard: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Connect, and return where each partition begins. Raises `BrokerUnavailable`. May be cancelled: then `stop`.

        `heard`: the offsets after what an earlier listener handed over. With none, all begin at their end; else the
        known ones go on there, and others, which are new, begin at their beginning.
        """

    async def fetch(self, at_most: int) -> Sequence[Record]:
        """Wait a moment for records, in the order of each partition. May be cancelled: then `stop`.

        A partition that is new meanwhile is read from its beginning. One of which the next offset is gone goes on at
        its end, with a warning. Raises `BrokerError` when this listener is of no more use.
        """

    async def stop(self) -> None:
        """Close. Never raises, never hangs."""
