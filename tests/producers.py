"""A Kafka for tests of those who send: it keeps what it is given, and fails as it is told to.

Strict where the real client is: a second producer before the first is closed, two sends at once, or a producer used
on after a bad result fail the test. A record that is refused takes the others of its partition with it, and then none
is called refused: only alone it is.
"""

import asyncio

from events.core.broker import Place
from events.core.errors import BatchRefused, BrokerUnavailable, RecordRefused, TopicRefused

PARTITIONS = 3


class FakeKafka:
    """`records` that it has, in order. `away`: nobody answers. `refuses(record)`: never takes this one.

    `missing`: topics that do not exist. `leaderless(record)`: its partition does not answer, the others do.
    `away_after`: so many records are taken, then nobody answers. `hold`: when set, sends wait for it, and `reached` is
    set as soon as one waits. `one_batch`: a record that is refused takes all of its send with it.
    """

    def __init__(self):
        self.records, self.producers = [], []
        self.away, self.refuses = False, lambda record: False
        self.missing, self.leaderless = set(), lambda record: False
        self.away_after = None
        self.hold, self.reached = None, asyncio.Event()
        self.one_batch = False
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
        self.kafka, self.state = kafka, "new"
        self.away = None

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
        spoiled = {self._partition(record) for record in records if self.kafka.refuses(record)}
        if spoiled and self.kafka.one_batch:
            spoiled = {self._partition(record) for record in records}
        results = [self._take(record, spoiled, alone=len(records) == 1) for record in records]
        self.state = "open" if all(isinstance(result, Place) for result in results) else "spoiled"
        return results

    async def stop(self):
        """Close."""
        self.state = "closed"
        if self in self.kafka.producers:
            self.kafka.producers.remove(self)

    def _take(self, record, spoiled, *, alone):
        self.kafka.away = self.kafka.away or len(self.kafka.records) == self.kafka.away_after
        if self.kafka.away or self.kafka.leaderless(record):
            return BrokerUnavailable("nobody answers")
        if record.topic in self.kafka.missing:
            return TopicRefused(f"The topic {record.topic!r} does not exist.")
        if self._partition(record) in spoiled:
            return RecordRefused("too large") if alone else BatchRefused("its batch was refused")
        self.kafka.records.append(record)
        return Place(*self._partition(record), len(self.kafka.records) - 1)

    def _partition(self, record):
        return record.topic, sum(record.key or b"") % PARTITIONS
