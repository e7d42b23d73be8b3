"""What every broker obeys, in memory and real: places, order, groups, commits, rebalances.

Another broker joins by one more parameter of `broker` in `conftest.py`: a `BrokerUnderTest` and its marker.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest

from events.core.broker import OutgoingRecord, Partition, Place
from events.core.errors import RecordRefused
from tests.waiting import until


class Reader:
    """An owner that keeps what it fetched, by partition, and knows what happened to it."""

    def __init__(self, consumer):
        self.consumer, self.owned, self.read, self.events = consumer, set(), [], []
        self.may_give_up = asyncio.Event()
        self.may_give_up.set()
        self.committed_at_give_up = None
        self.away = None

    def report(self):
        return []

    def apply(self, assigned, release=()):
        self.owned = set(assigned)
        self.events.append("apply")

    async def give_up(self):
        self.events.append("give_up")
        await self.may_give_up.wait()
        positions = {one: self.consumer.position(one) for one in self.owned}
        known = {one: position for one, position in positions.items() if position is not None}
        self.committed_at_give_up = await self.consumer.commit(known) if known else None
        self.owned = set()

    def lost(self, why):
        self.events.append("lost")
        self.owned = set()

    def reach(self, error):
        self.away = error

    async def fetch(self, at_most=500):
        fetched = await self.consumer.fetch(self.owned, at_most)
        self.read += [record for records in fetched.values() for record in records]
        return fetched

    async def fetch_until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                await self.fetch()

    @asynccontextmanager
    async def fetching(self):
        """Fetch while the block runs. A fetch is never cancelled."""
        done = asyncio.Event()
        task = asyncio.create_task(self.fetch_until(done.is_set))
        try:
            yield
        finally:
            done.set()
            await task


@pytest.fixture
async def readers(broker):
    """Starts members of the group `likes`; stops them all at the end."""
    started = []

    async def start(group="likes"):
        consumer = broker.consumer(group, ["quotes"])
        reader = Reader(consumer)
        started.append(consumer)
        await consumer.start(reader)
        return reader

    yield start
    for consumer in started:
        await consumer.stop()


@pytest.fixture
async def send(broker):
    """Sends keyed values to `quotes`: `await send(("a", 1), ("b", 2))` gives their places."""
    producer = broker.producer()
    await producer.start()

    async def send(*pairs):
        return await producer.send([outgoing(key, value) for key, value in pairs])

    yield send
    await producer.stop()


def outgoing(key, value, **changes):
    return OutgoingRecord("quotes", key.encode(), str(value).encode(), **changes)


def numbers(count, key="a"):
    return [(key, number) for number in range(count)]


def values(records):
    return [int(record.value) for record in records]


async def test_records_of_a_key_have_rising_places_in_one_partition(send):
    places = await send(*numbers(5))

    assert all(isinstance(place, Place) for place in places)
    assert len({place.partition for place in places}) == 1
    assert [place.offset for place in places] == list(range(5))


async def test_a_record_arrives_as_it_was_sent(broker, readers):
    producer = broker.producer()
    await producer.start()
    headers = (("ce_type", b"QuoteCreated"), ("twice", b"1"), ("twice", b"2"), ("null", None), ("\u00e9", b""))
    (place,) = await producer.send([outgoing("a", 1, headers=headers)])
    await producer.stop()
    reader = await readers()

    await reader.fetch_until(lambda: reader.read)

    (record,) = reader.read
    assert (record.place, record.key, record.value, record.headers) == (place, b"a", b"1", headers)


async def test_a_new_group_begins_at_the_beginning_and_keeps_the_order_of_a_key(send, readers):
    await send(*numbers(50))
    reader = await readers()

    await reader.fetch_until(lambda: len(reader.read) >= 50)

    assert values(reader.read) == list(range(50))


async def test_the_position_is_the_offset_after_what_was_handed_over(send, readers):
    (*_, place) = await send(*numbers(5))
    reader = await readers()

    await reader.fetch_until(lambda: len(reader.read) >= 5)

    assert reader.consumer.position(Partition("quotes", place.partition)) == 5


async def test_a_fetch_brings_at_most_what_was_asked_for(send, readers):
    await send(*numbers(5))
    reader = await readers()

    while not reader.read:
        await reader.fetch(at_most=2)

    assert values(reader.read) == [0, 1]


async def test_only_the_partitions_asked_for_are_fetched(send, readers):
    (place,) = await send(("a", 1))
    reader = await readers()
    owned = set(reader.owned)

    reader.owned = owned - {Partition("quotes", place.partition)}
    await reader.fetch()
    await reader.fetch()
    before = list(reader.read)
    reader.owned = owned
    await reader.fetch_until(lambda: reader.read)

    assert before == []
    assert values(reader.read) == [1]


async def test_a_fetch_of_nothing_brings_nothing(send, readers):
    await send(("a", 1))
    reader = await readers()

    assert not await reader.consumer.fetch((), 500)


async def test_the_next_member_starts_at_the_committed_position(send, readers):
    (place, *_) = await send(*numbers(10))
    first = await readers()
    await first.fetch_until(lambda: len(first.read) >= 10)

    stored = await first.consumer.commit({Partition("quotes", place.partition): 7})
    await first.consumer.stop()
    second = await readers()
    await second.fetch_until(lambda: len(second.read) >= 3)

    assert stored
    assert values(second.read) == [7, 8, 9]


async def test_what_was_not_committed_is_delivered_again(send, readers):
    await send(*numbers(3))
    first = await readers()
    await first.fetch_until(lambda: len(first.read) >= 3)

    await first.consumer.stop()
    second = await readers()
    await second.fetch_until(lambda: len(second.read) >= 3)

    assert values(second.read) == [0, 1, 2]


async def test_groups_do_not_know_of_each_other(send, readers):
    await send(*numbers(3))
    likes, mails = await readers("likes"), await readers("mails")

    await likes.fetch_until(lambda: len(likes.read) >= 3)
    await mails.fetch_until(lambda: len(mails.read) >= 3)

    assert values(likes.read) == values(mails.read) == [0, 1, 2]


async def test_a_second_member_gets_a_share_after_the_first_gave_up_and_committed(send, readers):
    await send(*((f"key {number}", number) for number in range(40)))
    first = await readers()
    await first.fetch_until(lambda: len(first.read) >= 40)

    async with first.fetching():
        second = await readers()
        await until(lambda: len(first.owned) == len(second.owned) == 2, 30)
        await send(*((f"key {number}", number + 40) for number in range(40)))
        await second.fetch_until(lambda: len(first.read) + len(second.read) >= 80)

    assert first.events[:3] == ["apply", "give_up", "apply"]
    assert first.committed_at_give_up
    assert not first.owned & second.owned
    assert sorted(values(first.read + second.read)) == list(range(80))


async def test_nobody_is_assigned_before_everybody_gave_up(readers):
    first = await readers()
    first.may_give_up.clear()
    async with first.fetching():
        joining = asyncio.create_task(readers())
        await until(lambda: "give_up" in first.events, 30)

        joined_early, _ = await asyncio.wait((joining,), timeout=0.2)
        first.may_give_up.set()
        second = await joining
        await until(lambda: first.owned and second.owned, 30)

    assert not joined_early


async def test_the_partitions_of_a_member_that_left_go_to_the_others(readers):
    first = await readers()
    async with first.fetching():
        second = await readers()
        await until(lambda: len(first.owned) == 2, 30)

        await second.consumer.stop()
        await until(lambda: len(first.owned) == 4, 30)


async def test_a_commit_of_what_is_not_assigned_is_refused(readers):
    reader = await readers()

    assert not await reader.consumer.commit({Partition("quotes", 99): 1})


async def test_stopping_twice_is_harmless(readers):
    reader = await readers()

    await reader.consumer.stop()
    await reader.consumer.stop()


async def test_a_record_that_is_too_large_is_refused_and_the_next_producer_goes_on(broker, send):
    (refused,) = await send(("a", "x" * 5_000_000))
    producer = broker.producer()
    await producer.start()
    (place,) = await producer.send([outgoing("a", 1)])
    await producer.stop()

    assert isinstance(refused, RecordRefused)
    assert isinstance(place, Place)
