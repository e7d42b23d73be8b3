"""A listener on the mock cluster: outages, refused offsets, damaged bytes, and stops that are quick."""

import asyncio
import logging
import time

import pytest
from aiokafka.errors import KafkaError

from events.core.broadcast import Broadcast
from events.core.broker import Partition
from events.core.errors import BrokerUnavailable
from events.core.supervisor import Supervisor
from events.kafka.listener import KafkaListener
from tests.events.kafka.owner import connect, write
from tests.events.kafka.test_reading import FETCH, OFFSET_OUT_OF_RANGE, put, put_damaged
from tests.waiting import until


@pytest.fixture
async def listeners(mock_cluster):
    """Makes listeners to `quotes`, and stops them at the end."""
    made = []

    def make():
        made.append(KafkaListener(connect(mock_cluster), ["quotes"], name="Broadcast push", client_id="test"))
        return made[-1]

    yield make
    for listener in made:
        await listener.stop()


async def hear(listener, heard, condition):
    async with asyncio.timeout(30):
        while not condition():
            heard += [(record.partition, record.value) for record in await listener.fetch(100)]


async def test_after_an_outage_it_goes_on_where_it_was(mock_cluster, listeners):
    mock_cluster.create_topic("quotes", 1)
    listener, heard = listeners(), []
    await listener.start({})
    await put(mock_cluster, 0, 1)
    await hear(listener, heard, lambda: heard)

    mock_cluster.down()
    await hear(listener, heard, lambda: listener.away)
    mock_cluster.up()
    await hear(listener, heard, lambda: not listener.away)
    await put(mock_cluster, 0, 2)
    await hear(listener, heard, lambda: len(heard) >= 3)

    assert heard == [(0, b"0"), (0, b"0"), (0, b"1")]


async def test_a_broadcast_whose_start_met_an_outage_hears_once_it_is_over(mock_cluster, listeners):
    mock_cluster.create_topic("quotes", 1)
    await put(mock_cluster, 0, 5)
    mock_cluster.down()
    heard, stop = [], asyncio.Event()

    async def note(record):
        heard.append(int(record.value))

    broadcast = Broadcast("Broadcast push", listeners, note)
    supervisor = Supervisor("Broadcast push", broadcast.listening, wait=lambda stop, s: asyncio.sleep(0.1))
    task = asyncio.create_task(supervisor.run(stop))
    await broadcast.tried.wait()
    mock_cluster.up()
    await until(lambda: supervisor.loop and supervisor.loop.works.is_set(), 30)
    await put(mock_cluster, 0, 2)
    await until(lambda: len(heard) >= 2, 30)
    stop.set()
    await task

    assert heard == [0, 1]


async def test_an_offset_that_is_refused_although_it_is_there_is_tried_again(mock_cluster, listeners, caplog):
    caplog.set_level(logging.WARNING, "events.kafka.tail")
    mock_cluster.create_topic("quotes", 1)
    listener, heard = listeners(), []
    await listener.start({})
    mock_cluster.push_errors(FETCH, *[OFFSET_OUT_OF_RANGE] * 3)
    await put(mock_cluster, 0, 2)

    await hear(listener, heard, lambda: len(heard) >= 2)

    assert heard == [(0, b"0"), (0, b"1")]
    assert [one.message for one in caplog.records if one.name == "events.kafka.tail"] == []


async def test_bytes_that_cannot_be_read_are_left_for_the_end_and_the_others_go_on(mock_cluster, listeners, caplog):
    mock_cluster.create_topic("quotes", 2)
    await put_damaged(mock_cluster, 0)
    listener, heard = listeners(), []

    await listener.start({Partition("quotes", 0): 0, Partition("quotes", 1): 0})
    await hear(listener, heard, lambda: "Going on at the end" in caplog.text)
    await put(mock_cluster, 0, 2)
    await put(mock_cluster, 1, 1)
    await hear(listener, heard, lambda: len(heard) >= 4)

    assert sorted(heard) == [(0, b"0"), (0, b"1"), (0, b"in a transaction"), (1, b"0")]
    assert "Broadcast push: offset 1 of quotes/0 cannot be read" in caplog.text


async def test_without_an_answer_what_is_lost_stays_lost_and_the_others_go_on(mock_cluster, listeners, monkeypatch):
    mock_cluster.create_topic("quotes", 2)
    listener, heard = listeners(), []
    await listener.start({Partition("quotes", 0): 1000, Partition("quotes", 1): 0})
    ask = listener._client.end_offsets

    async def no_answer(partitions):
        raise KafkaError("no leader")

    monkeypatch.setattr(listener._client, "end_offsets", no_answer)
    await put(mock_cluster, 1, 1)
    await hear(listener, heard, lambda: heard and listener._tail.lost)
    monkeypatch.setattr(listener._client, "end_offsets", ask)
    await hear(listener, heard, lambda: not listener._tail.lost)
    await put(mock_cluster, 0, 1)
    await hear(listener, heard, lambda: len(heard) >= 2)

    assert heard == [(1, b"0"), (0, b"0")]


async def test_nobody_there_is_an_outage_at_once(mock_cluster, listeners):
    mock_cluster.create_topic("quotes", 1)
    mock_cluster.down()

    with pytest.raises(BrokerUnavailable, match=r"No broker answers at 127\.0\.0\.1:\d+\."):
        await listeners().start({})


async def test_a_stop_is_quick_also_in_an_outage(mock_cluster, listeners):
    mock_cluster.create_topic("quotes", 3)
    listener = listeners()
    await listener.start({})
    await write(mock_cluster, 10)
    mock_cluster.down()

    began = time.monotonic()
    await listener.stop()

    assert time.monotonic() - began < 20  # a request may take 70


async def test_it_is_in_no_group(mock_cluster, listeners):
    mock_cluster.create_topic("quotes", 1)
    listener = listeners()
    await listener.start({})

    assert listener._client._group_id is None
