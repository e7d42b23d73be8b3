"""What every listener obeys, in memory and real: from the end, on from a place, everybody hears all."""

import asyncio
import logging

import pytest

from events.core.broker import OutgoingRecord, Partition
from events.core.errors import BrokerUnavailable
from tests.waiting import until


class Ear:
    """A listener and the values that it heard."""

    def __init__(self, listener):
        self.listener, self.heard, self.places, self.begins = listener, [], [], {}

    async def fetch_until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                records = await self.listener.fetch(500)
                self.heard += [int(record.value) for record in records]
                self.places += [record.place for record in records]


@pytest.fixture
async def ears(broker):
    """Starts listeners to `quotes`; stops them all at the end."""
    started = []

    async def start(heard=None):
        ear = Ear(broker.listener(["quotes"]))
        started.append(ear.listener)
        ear.begins = await ear.listener.start(heard or {})
        return ear

    yield start
    for listener in started:
        await listener.stop()


@pytest.fixture
async def send(broker):
    """Sends numbers to `quotes` under a key: `await send(1, 2)` gives their places."""

    async def send(*numbers, key="a"):
        producer = broker.producer()
        await producer.start()
        records = [OutgoingRecord("quotes", key.encode(), str(number).encode()) for number in numbers]
        places = await producer.send(records)
        await producer.stop()
        return places

    return send


async def test_everybody_hears_each_record_once_and_none_from_before(ears, send):
    await send(1, 2)
    first, second = await ears(), await ears()
    await send(3, 4)
    await asyncio.gather(*(ear.fetch_until(lambda ear=ear: len(ear.heard) >= 2) for ear in (first, second)))
    third = await ears()
    await send(5)
    await asyncio.gather(*(ear.fetch_until(lambda ear=ear: 5 in ear.heard) for ear in (first, second, third)))

    assert first.heard == second.heard == [3, 4, 5]
    assert third.heard == [5]


async def test_a_hundred_records_of_each_key_are_heard_in_order(ears, send):
    ear = await ears()
    await send(*range(100), key="a")
    await send(*range(100, 200), key="b")

    await ear.fetch_until(lambda: len(ear.heard) >= 200)

    assert [number for number in ear.heard if number < 100] == list(range(100))
    assert [number for number in ear.heard if number >= 100] == list(range(100, 200))


async def test_it_says_where_it_begins_and_the_next_one_goes_on_from_there(ears, send):
    (place,) = await send(1)
    first = await ears()
    await first.listener.stop()
    await send(2)

    second = await ears(first.begins)
    await second.fetch_until(lambda: second.heard)

    assert first.begins == {
        Partition("quotes", number): place.offset + 1 if number == place.partition else 0 for number in range(4)
    }
    assert second.heard == [2]


async def test_a_partition_that_an_earlier_listener_did_not_know_is_read_from_its_beginning(ears, send):
    (place,) = await send(1)
    others = {Partition("quotes", number): 0 for number in range(4) if number != place.partition}

    ear = await ears(others)
    await ear.fetch_until(lambda: ear.heard)

    assert ear.heard == [1]


async def test_new_partitions_are_found_and_read_from_their_beginning(broker, ears, send):
    ear = await ears()
    await broker.add_partitions("quotes", 8)
    # A producer of now knows them all: some key must meet a new one.
    await asyncio.gather(*(send(number, key=f"key {number}") for number in range(40)))

    await ear.fetch_until(lambda: len(ear.heard) >= 40)

    assert sorted(ear.heard) == list(range(40))
    assert max(place.partition for place in ear.places) >= 4


async def test_an_offset_that_is_gone_is_left_for_the_end_with_a_warning(ears, send, caplog):
    caplog.set_level(logging.WARNING, "events")
    (place,) = await send(1)
    gone = Partition("quotes", place.partition)

    ear = await ears({Partition("quotes", number): 0 for number in range(4)} | {gone: 1000})
    await ear.fetch_until(lambda: "1000" in caplog.text)
    await send(2)
    await ear.fetch_until(lambda: ear.heard)

    assert ear.heard == [2]
    assert f"/{gone.number}" in caplog.text


async def test_a_topic_that_does_not_exist_is_an_outage(broker):
    listener = broker.listener(["nowhere"])

    with pytest.raises(BrokerUnavailable, match=r"nowhere.* does not exist"):
        await listener.start({})


async def test_a_listener_that_was_stopped_is_of_no_more_use(ears):
    ear = await ears()

    await ear.listener.stop()
    await ear.listener.stop()

    with pytest.raises(BrokerUnavailable):
        await ear.listener.fetch(1)


async def test_a_fetch_may_be_cancelled_for_a_stop(ears):
    ear = await ears()
    fetching = asyncio.create_task(ear.fetch_until(lambda: False))
    await asyncio.sleep(0)

    fetching.cancel()
    await until(fetching.done)
    async with asyncio.timeout(10):
        await ear.listener.stop()
