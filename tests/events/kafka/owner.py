"""`RecordingOwner` stands in for an engine and remembers what its consumer tells it; `Member` fetches with one."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.core.broker import Claim, OutgoingRecord, Partition
from events.core.errors import MembershipLost
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.producer import KafkaProducer


class RecordingOwner:
    """Owns what it is given. `calls` is what it was told; `on_give_up` may be a coroutine function to run then."""

    def __init__(self, on_give_up=None):
        self.owned, self.calls, self.lost_because = set(), [], []
        self._on_give_up = on_give_up
        self.away = None

    def report(self):
        return [Claim(partition, draining=False) for partition in sorted(self.owned)]

    def apply(self, assigned, release=()):
        self.calls.append(("apply", sorted(assigned)))
        self.owned = {Partition(*one) for one in assigned}

    async def give_up(self):
        self.calls.append(("give_up", sorted(self.owned)))
        if self._on_give_up:
            await self._on_give_up()
        self.owned = set()

    def reach(self, error):
        self.away = error

    def lost(self, why):
        self.calls.append(("lost", why))
        self.lost_because.append(why)
        self.owned = set()


async def collect(consumer, owner, count, at_most=500):
    """Fetch until `count` records came; fail after 30 seconds."""
    records = []
    async with asyncio.timeout(30):
        while len(records) < count:
            for some in (await consumer.fetch(owner.owned, at_most)).values():
                records.extend(some)
    return records


async def send(connection, topic, *values, key=b"k"):
    producer = KafkaProducer(connection, deadline_s=10, client_id="writer")
    await producer.start()
    try:
        return await producer.send([OutgoingRecord(topic, key, value) for value in values])
    finally:
        await producer.stop()


def connect(broker):
    """To a mock. Who joins a group there that had a member before waits for as long as a session, less a second."""
    return Connection(broker.address, consumer={"session_timeout_ms": 30_000}, embedded=True)


async def write(broker, count, topic="quotes"):
    """Records "0", "1", … of one key, with one header."""
    producer = KafkaProducer(Connection(broker.address), deadline_s=10, client_id="writer")
    await producer.start()
    results = await producer.send([OutgoingRecord(topic, b"k", b"%d" % n, (("h", b"v"),)) for n in range(count)])
    await producer.stop()
    return results


async def commit_earlier(broker, offset, topic="quotes", group="readers"):
    """What a member of earlier times has left behind in partition 0. It has not joined: see `connect`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.commit({TopicPartition(topic, 0): offset})
    await consumer.stop()


def owned(*members):
    return [len(member.owner.owned) for member in members]


class Member:
    """A consumer with its owner, and a task that fetches as an engine would."""

    def __init__(self, connection, group, topic):
        self.consumer = KafkaConsumer(connection, group, [topic], client_id="member")
        self.owner, self.records = RecordingOwner(self._commit), []
        self.committed, self.wanted = [], {}

    async def _commit(self):
        if self.wanted:
            self.committed.append(await self.consumer.commit(self.wanted))

    async def start(self):
        await self.consumer.start(self.owner)
        self._running = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            try:
                for records in (await self.consumer.fetch(self.owner.owned, 100)).values():
                    self.records.extend(records)
            except MembershipLost:
                return

    async def stop(self):
        await self.consumer.stop()
        await self._running
