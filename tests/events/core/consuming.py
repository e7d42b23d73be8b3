"""`Fleet`: engines on an in-memory broker, and a diary of what they did, for the engine's tests."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from events.core.broker import OutgoingRecord, Partition
from events.core.engine import Engine, EngineOptions
from events.core.outcome import DONE
from events.testing.memory import MemoryBroker

TOPIC, GROUP = "quotes", "likes"
ZERO = Partition(TOPIC, 0)
QUICK = EngineOptions(commit_interval_s=0.005, drain_s=60.0, stop_s=80.0)
"""Commits at once. Its limits are for who hangs: no machine stands still for so long."""


async def done(records):
    """Handle everything."""
    return [DONE] * len(records)


class Gate:
    """A handle that waits inside until it is let through. `entered`: calls so far."""

    def __init__(self, outcome=DONE):
        self.entered, self.open, self.outcome = 0, asyncio.Event(), outcome

    async def __call__(self, records):
        self.entered += 1
        await self.open.wait()
        return [self.outcome] * len(records)


def answering(*answers):
    """A handle that gives these outcomes, one a call, and then closes everything."""
    left = list(answers)

    async def handle(records):
        return [left.pop(0) if left else DONE] * len(records)

    return handle


@dataclass
class Diary:
    """What one process did: `handled`, (partition, offset) in the order of the end; `calls`, in that of the start.

    `together`: the most calls at once. `overlaps`: calls that began while one of the same partition was running.
    """

    handled: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    running: dict = field(default_factory=dict)
    together: int = 0
    overlaps: int = 0

    def offsets(self, partition=0):
        """Offsets of a partition in the order in which they were closed, repeats included."""
        return [offset for number, offset in self.handled if number == partition]

    def noting(self, handle):
        """A handle that does what the other does and notes it here."""

        async def noted(records):
            number = records[0].partition
            self.running[number] = self.running.get(number, 0) + 1
            self.together = max(self.together, sum(self.running.values()))
            self.calls.append([(record.partition, record.offset) for record in records])
            self.overlaps += self.running[number] > 1
            try:
                outcomes = await handle(records)
            finally:
                self.running[number] -= 1
            pairs = zip(records, outcomes, strict=False)
            self.handled += [(record.partition, record.offset) for record, outcome in pairs if outcome is DONE]
            return outcomes

        return noted


class Fleet:
    """A broker with one topic, and engines of one group on it."""

    def __init__(self, partitions=1):
        self.broker = MemoryBroker({TOPIC: partitions}, poll_s=0.005)
        self.group = self.broker.group(GROUP)
        self.diary = Diary()
        self.consumers = []

    def send(self, count, *, partition_of=lambda number: 0):
        """Append so many records, each to the partition that is said."""
        for number in range(count):
            partition = Partition(TOPIC, partition_of(number))
            self.broker.logs[partition].append(partition, OutgoingRecord(TOPIC, b"k", b"%d" % number))

    def engine(self, handle=done, options=QUICK, diary=None):
        """A new engine on a new member of the group."""
        self.consumers.append(self.broker.consumer(GROUP, [TOPIC]))
        return Engine(self.consumers[-1], (diary or self.diary).noting(handle), options, name=GROUP)

    @asynccontextmanager
    async def running(self, handle=done, options=QUICK, diary=None):
        """An engine that runs while the block does, and stops cleanly after it."""
        engine = self.engine(handle, options, diary)
        task = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            engine.stop()
            await task

    def committed(self, partition=0):
        """The committed position of a partition, or None."""
        return self.group.committed.get(Partition(TOPIC, partition))

    def all_committed(self):
        """Whether the group has committed the end of every partition that holds anything."""
        return all(self.group.committed.get(one, 0) == log.end for one, log in self.broker.logs.items())
