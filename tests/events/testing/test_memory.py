"""The faults of the in-memory broker: what a test can ask for, and how strict it is."""

import asyncio

import pytest

from events.core.broker import OutgoingRecord, Partition, Place
from events.core.errors import BrokerUnavailable, MembershipLost, RecordRefused
from events.testing.memory import MemoryBroker

ZERO = Partition("quotes", 0)


def record(key=b"a", value=b"1", topic="quotes"):
    return OutgoingRecord(topic, key, value)


class Owner:
    """Takes what it is given and says yes to everything."""

    def __init__(self):
        self.why = None

    def report(self):
        return []

    def apply(self, assigned, release=()):
        self.assigned = list(assigned)

    async def give_up(self):
        self.assigned = []

    def lost(self, why):
        self.why = why


@pytest.fixture
def broker():
    return MemoryBroker({"quotes": 1}, poll_s=0.005)


@pytest.fixture
async def producer(broker):
    producer = broker.producer()
    await producer.start()
    return producer


@pytest.fixture
async def consumer(broker):
    consumer = broker.consumer("likes", ["quotes"])
    await consumer.start(Owner())
    return consumer


async def test_nobody_starts_while_it_is_down(broker):
    broker.down()

    with pytest.raises(BrokerUnavailable):
        await broker.producer().start()
    with pytest.raises(BrokerUnavailable):
        await broker.consumer("likes", ["quotes"]).start(Owner())


async def test_down_nothing_is_sent_fetched_or_committed_and_up_it_goes_on(broker, producer, consumer):
    await producer.send([record()])

    broker.down()
    (result,) = await producer.send([record()])
    fetched = await consumer.fetch([ZERO], 500)
    stored = await consumer.commit({ZERO: 1})
    broker.up()

    assert isinstance(result, BrokerUnavailable)
    assert not fetched
    assert not stored
    assert len((await consumer.fetch([ZERO], 500))[ZERO]) == 1
    assert await consumer.commit({ZERO: 1})


async def test_a_producer_that_failed_is_of_no_more_use(broker, producer):
    broker.refuse(lambda record: record.value == b"bad")

    results = await producer.send([record(), record(value=b"bad"), record()])
    (later,) = await producer.send([record()])

    assert [type(result) for result in results] == [Place, RecordRefused, BrokerUnavailable]
    assert isinstance(later, BrokerUnavailable)
    assert [record.value for record in broker.records("quotes")] == [b"1"]


async def test_a_producer_that_is_not_started_sends_nothing(broker):
    (result,) = await broker.producer().send([record()])

    assert isinstance(result, BrokerUnavailable)


async def test_topics_must_be_created_first(producer):
    (result,) = await producer.send([record(topic="likes")])

    assert isinstance(result, RecordRefused)
    assert "create_topic" in str(result)


async def test_records_without_a_key_are_spread():
    broker = MemoryBroker({"quotes": 3})
    producer = broker.producer()
    await producer.start()

    places = await producer.send([record(key=None) for _ in range(6)])
    await producer.stop()

    assert sorted(place.partition for place in places) == [0, 0, 1, 1, 2, 2]


async def test_a_fetch_that_waits_gets_what_is_sent_meanwhile(broker, producer, consumer):
    broker.poll_s = 5.0
    fetching = asyncio.create_task(consumer.fetch([ZERO], 500))
    await asyncio.sleep(0)

    await producer.send([record()])

    assert len((await fetching)[ZERO]) == 1


async def test_a_member_that_was_thrown_out_cannot_commit_notices_and_joins_again(broker, consumer):
    owner = consumer._owner
    broker.kick(consumer)

    stored = await consumer.commit({ZERO: 1})
    await consumer.fetch([ZERO], 500)

    assert not stored
    assert "threw this member out" in owner.why
    assert owner.assigned == [ZERO]
    assert await consumer.commit({ZERO: 1})


async def test_the_next_commits_can_be_refused(broker, consumer):
    broker.refuse_commits(2)

    assert [await consumer.commit({ZERO: 1}) for _ in range(3)] == [False, False, True]


async def test_a_fetch_can_be_made_to_fail(consumer):
    consumer.fail_fetch()

    with pytest.raises(MembershipLost):
        await consumer.fetch([ZERO], 500)


async def test_a_stopped_consumer_is_of_no_more_use(broker, consumer):
    await consumer.stop()

    with pytest.raises(MembershipLost):
        await consumer.fetch([ZERO], 500)
    assert broker.group("likes").members == []


async def test_skipped_offsets_move_the_position_without_a_record(broker, producer, consumer):
    await producer.send([record()])
    broker.skip(ZERO, 3)
    await producer.send([record()])
    broker.skip(ZERO, 2)

    (first,) = (await consumer.fetch([ZERO], 1))[ZERO]
    assert (first.offset, consumer.position(ZERO)) == (0, 4)

    (second,) = (await consumer.fetch([ZERO], 500))[ZERO]
    assert (second.offset, consumer.position(ZERO)) == (4, 7)
