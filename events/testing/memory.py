"""`MemoryBroker`: a Kafka in this process, for tests: topics, partitions, groups, rebalances, redelivery, faults.

It obeys the same tests as the real one (`test_broker_contract.py`), and it is strict: topics must exist, a producer is
of no more use after a failure, a commit passes only a member's own gate, and every join or leave moves partitions.

Faults: `down` and `up`, `kick` a member, `refuse_commits`, `refuse` records, `fail_fetch`, `skip` offsets.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count

from events.core.broker import OutgoingRecord, Owner, Partition, Place, Record, SendResult
from events.core.errors import BrokerError, BrokerUnavailable, MembershipLost, RecordRefused, TopicRefused
from events.testing.group import MemoryGroup
from events.testing.murmur2 import partition_of

LARGEST = 1_048_588  # bytes: Kafka's default of message.max.bytes


class Log:
    """The records of one partition. Offsets rise; some may be missing. `end`: the offset of the next one."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.end = 0

    def append(self, partition: Partition, outgoing: OutgoingRecord) -> Place:
        """Store a record."""
        place = Place(*partition, self.end)
        self.records.append(Record(*place, outgoing.key, outgoing.value, outgoing.headers))
        self.end += 1
        return place

    def read(self, offset: int, at_most: int) -> tuple[list[Record], int]:
        """Records from an offset on, and the offset after them, gaps included."""
        start = bisect_left(self.records, offset, key=lambda record: record.offset)
        records = self.records[start : start + at_most]
        more = self.records[start + at_most : start + at_most + 1]
        return records, more[0].offset if more else self.end


class MemoryBroker:
    """The brokers of one cluster. `poll_s`: how long an empty fetch waits."""

    def __init__(self, topics: Mapping[str, int] | None = None, *, poll_s: float = 0.02) -> None:
        self.poll_s = poll_s
        self.available = True
        self.logs: dict[Partition, Log] = {}
        self.groups: dict[str, MemoryGroup] = {}
        self.changed = asyncio.Event()
        self._refuse: Callable[[OutgoingRecord], bool] = lambda record: False
        self._commits_to_refuse = 0
        self._turn = count()
        for name, partitions in (topics or {}).items():
            self.create_topic(name, partitions)

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic, or give it more partitions. Members of groups learn of it at their next rebalance."""
        for number in range(partitions):
            self.logs.setdefault(Partition(name, number), Log())

    def producer(self) -> "MemoryProducer":
        """A producer, not yet started."""
        return MemoryProducer(self)

    def consumer(self, group: str, topics: Iterable[str]) -> "MemoryConsumer":
        """A member of a group, not yet started."""
        return MemoryConsumer(self, self.group(group), topics)

    def group(self, name: str) -> MemoryGroup:
        """A group, which begins to exist when it is first named."""
        return self.groups.setdefault(name, MemoryGroup(self.partitions))

    def partitions(self, topic: str) -> list[Partition]:
        """The partitions of a topic; none of a topic that does not exist."""
        return [partition for partition in self.logs if partition.topic == topic]

    def records(self, topic: str) -> list[Record]:
        """Everything in a topic, partition after partition."""
        return [record for partition in self.partitions(topic) for record in self.logs[partition].records]

    def append(self, record: OutgoingRecord) -> SendResult:
        """Store one record, or say why not."""
        if not self.available:
            return BrokerUnavailable("The in-memory broker is down.")
        if not (partitions := self.partitions(record.topic)):
            return TopicRefused(f"The topic {record.topic!r} does not exist: call create_topic first.")
        if record.size > LARGEST or self._refuse(record):
            return RecordRefused(f"A record of {record.size} bytes for {record.topic!r} is refused.")
        number = next(self._turn) if record.key is None else partition_of(record.key, len(partitions))
        partition = partitions[number % len(partitions)]
        place = self.logs[partition].append(partition, record)
        self._tell()
        return place

    # Faults.

    def down(self) -> None:
        """Nobody answers any more: no start, no send, no commit; a fetch brings nothing."""
        self.available = False

    def up(self) -> None:
        """Answer again; nothing is forgotten."""
        self.available = True
        self._tell()

    def kick(self, consumer: "MemoryConsumer") -> None:
        """Throw a member out, as Kafka does with one that fell silent. It notices at its next fetch."""
        consumer.throw_out()

    def refuse_commits(self, number: int = 1) -> None:
        """Refuse the next commits."""
        self._commits_to_refuse = number

    def refuse(self, which: Callable[[OutgoingRecord], bool]) -> None:
        """Refuse from now on the records of which this says True."""
        self._refuse = which

    def skip(self, partition: Partition, offsets: int = 1) -> None:
        """Use up offsets without a record, as transactions and compaction do."""
        self.logs[partition].end += offsets
        self._tell()

    def takes_commit(self) -> bool:
        """Whether a commit passes now. Counts down the refusals."""
        refused = self._commits_to_refuse > 0
        self._commits_to_refuse -= refused
        return self.available and not refused

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class MemoryProducer:
    """Hands records to the broker. After any result that is not a place it is of no more use."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._ready = False
        self.away: BrokerUnavailable | None = None

    async def start(self) -> None:
        """Connect. Raises `BrokerUnavailable` when the broker is down."""
        if not self._broker.available:
            raise BrokerUnavailable("The in-memory broker is down.")
        self._ready = True

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        """Store them in order. What follows a failure is not sent."""
        await asyncio.sleep(0)
        return [self._send(record) for record in records]

    async def stop(self) -> None:
        """Close."""
        self._ready = False

    def _send(self, record: OutgoingRecord) -> SendResult:
        if not self._ready:
            return BrokerUnavailable("Not sent: this producer is not started, or it failed before. Build a new one.")
        result = self._broker.append(record)
        self._ready = isinstance(result, Place)
        return result


class MemoryConsumer:
    """One member of one group, rebalanced eagerly. `assigned`: what it owns. `kicked`: thrown out, not yet noticed."""

    def __init__(self, broker: MemoryBroker, group: MemoryGroup, topics: Iterable[str]) -> None:
        self.group, self.topics = group, frozenset(topics)
        self.assigned: list[Partition] = []
        self.kicked = False
        self._broker = broker
        self._owner: Owner | None = None
        self._positions: dict[Partition, int] = {}
        self._gate = False
        self._joined = asyncio.Event()
        self._failure: BrokerError | None = None

    async def start(self, owner: Owner) -> None:
        """Join the group and wait for the first assignment. Raises `BrokerUnavailable` when the broker is down."""
        if not self._broker.available:
            raise BrokerUnavailable("The in-memory broker is down.")
        self._owner = owner
        self.group.join(self)
        await self._joined.wait()

    async def fetch(self, partitions: Collection[Partition], at_most: int) -> Mapping[Partition, Sequence[Record]]:
        """Records of those that are assigned when it returns; a rebalance is waited out."""
        self._look_around()
        await self._joined.wait()
        if not (found := self._read(partitions, at_most)):
            await self._wait()
            found = self._read(partitions, at_most)
        return found

    def position(self, partition: Partition) -> int | None:
        """The offset after the last one handed over, gaps included; None when it is not assigned."""
        return self._positions.get(partition)

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Store positions of assigned partitions while the gate is open."""
        await asyncio.sleep(0)  # no real one answers in the same step
        passes = self._gate and not self.kicked and positions.keys() <= set(self.assigned)
        if not passes or not self._broker.takes_commit():
            return False
        self.group.committed.update(positions)
        return True

    async def stop(self) -> None:
        """Leave the group. A fetch that waits ends."""
        self._failure = self._failure or MembershipLost("This consumer was stopped.")
        self.group.leave(self)
        self._forget()
        self._joined.set()

    def fail_fetch(self, error: BrokerError | None = None) -> None:
        """Raise from the next fetch on."""
        self._failure = error or MembershipLost("The test asked for it.")

    def throw_out(self) -> None:
        """The group goes on without this member, which notices at its next fetch."""
        self.kicked = True
        self.group.leave(self)
        self._joined.set()

    # What the group asks: `Member`.

    async def revoke(self) -> None:
        """Let the owner give everything up, then let no commit pass."""
        if self._owner and self._joined.is_set() and not self.kicked:
            self._joined.clear()
            await self._owner.give_up()
        self._forget()

    def assign(self, partitions: list[Partition]) -> None:
        """Start at the committed positions, or at the beginning."""
        if self._owner and not self._failure:
            self.assigned = partitions
            self._positions = {partition: self.group.committed.get(partition, 0) for partition in partitions}
            self._gate = True
            self._owner.apply(partitions)
        self._joined.set()

    def _look_around(self) -> None:
        if self._failure:
            raise self._failure
        if self.kicked and self._owner and self._broker.available:
            self._forget()
            self._joined.clear()
            self.kicked = False
            self._owner.lost("the group threw this member out")
            self.group.join(self)

    def _read(self, partitions: Collection[Partition], at_most: int) -> dict[Partition, list[Record]]:
        found: dict[Partition, list[Record]] = {}
        for partition in [one for one in partitions if one in self._positions and self._broker.available]:
            records, self._positions[partition] = self._broker.logs[partition].read(self._positions[partition], at_most)
            at_most -= len(records)
            if records:
                found[partition] = records
        return found

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._broker.poll_s):
                await self._broker.changed.wait()
        await self._joined.wait()

    def _forget(self) -> None:
        self._gate = False
        self.assigned = []
        self._positions = {}
