"""A Kafka for tests of those who send: it keeps what it is given, and fails as it is told to.

Strict where the real client is: a second producer before the first is closed, two sends at once, or a producer used
on after a bad result fail the test. Behind a refused record, the later ones of its partition are refused too.
"""

import asyncio

from events.core.broker import Place
from events.core.errors import BrokerUnavailable, RecordRefused

PARTITIONS = 3


class FakeKafka:
    """`records` that it has, in order. `away`: nobody answers. `refuses(record)`: never takes this one.

    `hold`: when set, sends wait for it, and `reached` is set as soon as one waits.
    """

    def __init__(self):
        self.records, self.producers = [], []
        self.away, self.refuses = False, lambda record: False
        self.hold, self.reached = None, asyncio.Event()
        self.starts = self.sends = 0

    def make_producer(self):
        """What `Relay` and `Sender` are given."""
        return FakeProducer(self)

    @property
    def values(self):
        """The values of all records, in order."""
        return [record.value for record in self.records]


class FakeProducer:
    """A producer of a `FakeKafka`."""

    def __init__(self, kafka):
        self.kafka, self.state, self.spoiled = kafka, "new", set()

    async def start(self):
        """Connect."""
        assert self.state == "new"
        assert not self.kafka.producers, "the producer before this one is still open"
        self.kafka.starts += 1
        if self.kafka.away:
            raise BrokerUnavailable("nobody answers")
        self.kafka.producers.append(self)
        self.state = "open"

    async def send(self, records):
        """Take the records, or not."""
        assert self.state == "open", f"send on a producer that is {self.state}"
        self.state = "sending"
        self.kafka.sends += 1
        if self.kafka.hold:
            self.kafka.reached.set()
            await self.kafka.hold.wait()
        results = [self._take(record) for record in records]
        self.state = "open" if all(isinstance(result, Place) for result in results) else "spoiled"
        return results

    async def stop(self):
        """Close."""
        self.state = "closed"
        if self in self.kafka.producers:
            self.kafka.producers.remove(self)

    def _take(self, record):
        partition = (record.topic, sum(record.key or b"") % PARTITIONS)
        if self.kafka.away:
            return BrokerUnavailable("nobody answers")
        if partition in self.spoiled or self.kafka.refuses(record):
            self.spoiled.add(partition)
            return RecordRefused("out of sequence" if not self.kafka.refuses(record) else "too large")
        self.kafka.records.append(record)
        return Place(*partition, len(self.kafka.records) - 1)
