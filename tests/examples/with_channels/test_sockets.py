"""The end of all sockets when their process stops."""

import pytest

import lifespan
from examples.with_channels.sockets import EVERYBODY, closing_sockets
from tests.examples.with_channels.conftest import browser
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


async def test_they_are_closed_when_the_process_drains_also_one_that_comes_late():
    run = lifespan.Run(closing_sockets)
    await run.start()
    async with browser("/ws/echo/") as first, browser("/ws/echo/") as late:
        await first.open()
        assert await first.receive_nothing()

        run.draining.set()

        assert await first.code() == 1012
        await late.open()
        assert await late.code() == 1012
        await run.finish()
    assert run.problems == []


async def test_a_socket_is_closed_once_and_told_nothing_afterwards(layer):
    async with browser("/ws/echo/") as socket:
        await socket.open()

        await layer.group_send(EVERYBODY, {"type": "stop"})
        await layer.group_send(EVERYBODY, {"type": "stop"})
        assert await socket.code() == 1012
        await socket.send_to("1")
        await until(socket.input_queue.empty)

        assert await socket.receive_nothing()
