"""The client made safe: the pause between metadata requests, and closing."""

import asyncio

import pytest
from aiokafka.client import AIOKafkaClient

from events.kafka import client as kafka_client
from events.kafka.client import close, missing_topics, prepare

WAIT_S = 30


@pytest.fixture
async def client(mock_cluster):
    client = AIOKafkaClient(bootstrap_servers=mock_cluster.address)
    prepare(client)
    await client.bootstrap()
    yield client
    await close(client)


async def test_who_asks_meanwhile_shares_the_next_answer(client, monkeypatch):
    monkeypatch.setattr(kafka_client, "METADATA_PAUSE_S", 0.2)
    requests, update = [], client._metadata_update
    client._metadata_update = lambda *arguments: requests.append(1) or update(*arguments)

    first = [client.force_metadata_update() for _ in range(50)]
    answers = await asyncio.gather(*first)
    answers += await asyncio.gather(*[client.force_metadata_update() for _ in range(50)])

    assert answers == [True] * 100
    assert len(requests) == 2


async def test_who_gives_up_waiting_takes_the_answer_from_nobody(client):
    impatient, patient = client.force_metadata_update(), client.force_metadata_update()

    impatient.cancel()

    assert await patient is True


async def test_topics_that_are_there_are_not_missing(client, mock_cluster):
    mock_cluster.create_topic("quotes", 1)

    missing = await missing_topics(client, ["quotes", "nowhere"])

    assert list(missing) == ["nowhere"]


async def test_who_waits_for_metadata_is_let_go_when_the_client_closes(client):
    client._md_update_fut = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(client._maybe_wait_metadata())
    await asyncio.sleep(0)

    await close(client)

    await asyncio.wait_for(waiting, WAIT_S)


async def test_who_asks_for_metadata_while_the_client_closes_is_let_go(client, monkeypatch):
    """The request that waits for its turn would make a future that nobody completes."""
    monkeypatch.setattr(kafka_client, "METADATA_PAUSE_S", 3600)
    await client.force_metadata_update()
    loop, calls = asyncio.get_running_loop(), []
    monkeypatch.setattr(loop, "call_at", lambda when, *call: calls.append(call))
    waiting = client.force_metadata_update()
    monkeypatch.undo()

    await client.close()
    later = client.force_metadata_update()
    answers = await asyncio.wait_for(asyncio.gather(waiting, later), WAIT_S)
    for ask, *arguments in calls:  # the turn of the request has come
        ask(*arguments)
    await asyncio.wait_for(client._maybe_wait_metadata(), WAIT_S)

    assert answers == [False, False]
