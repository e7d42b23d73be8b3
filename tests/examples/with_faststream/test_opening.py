"""`keep_open`: it waits while nobody answers, opens once somebody does, renews, and closes at the stop."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from examples.with_faststream import opening
from examples.with_faststream.opening import Opening, keep_open, knock
from tests.waiting import until


class Broker:
    """What `keep_open` asks of a broker. It notes what happens to it."""

    def __init__(self, happened, error=None):
        self.happened, self.error = happened, error

    async def __aenter__(self):
        return self

    async def __aexit__(self, *raised):
        self.happened.append("closed")

    async def start(self):
        if self.error:
            raise self.error
        self.happened.append("up")


@pytest.fixture
async def address():
    """Somebody who takes connections."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    yield "{}:{}".format(*server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*taken.getsockname())


@asynccontextmanager
async def kept_open(address, make):
    """A broker kept open; its events `stop` and `renew`. It must have ended after the stop."""
    stop, renew = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(keep_open(Opening(lambda: address, make), stop=stop, renew=renew))
    try:
        yield stop, renew
        stop.set()
        await asyncio.wait_for(task, 10)
    finally:
        task.cancel()


async def test_it_is_up_until_the_stop(address):
    happened = []

    async with kept_open(address, lambda _: Broker(happened)):
        await until(lambda: happened == ["up"])

    assert happened == ["up", "closed"]


async def test_after_renew_a_new_one_is_up(address):
    happened = []

    async with kept_open(address, lambda _: Broker(happened)) as (_, renew):
        await until(lambda: happened == ["up"])
        renew.set()
        await until(lambda: happened == ["up", "closed", "up"])


async def test_while_nobody_answers_none_is_made_and_a_stop_does_not_wait(nobody, caplog):
    async with kept_open(nobody, pytest.fail):
        await until(lambda: "nobody answers" in caplog.text)


async def test_a_start_that_fails_is_tried_again(address, monkeypatch):
    monkeypatch.setattr(opening, "MAX_PAUSE_S", 0.01)
    happened, errors = [], [None, RuntimeError("no coordinator")]

    async with kept_open(address, lambda _: Broker(happened, errors.pop())):
        await until(lambda: happened == ["closed", "up"])


async def test_a_mistake_in_the_code_is_not_taken_for_an_outage(address):
    never = asyncio.Event()

    with pytest.raises(TypeError):
        await asyncio.wait_for(
            keep_open(
                Opening(lambda: address, lambda _: Broker([], TypeError("a mistake"))),
                stop=never,
                renew=asyncio.Event(),
            ),
            10,
        )


async def test_one_address_that_answers_is_enough(address, nobody):
    await knock(f"{nobody},{address}")

    with pytest.raises(ConnectionError):
        await knock(nobody)
