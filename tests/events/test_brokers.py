"""A loop on a broker that may be replaced under it."""

import asyncio

import pytest

from events.brokers import Brokers, UntilReplaced
from events.core.errors import BrokerUnavailable


class Endless:
    """A loop that runs until it is asked to stop. `left`: it has ended."""

    def __init__(self):
        self.works, self.left, self._stop = asyncio.Event(), False, asyncio.Event()

    async def run(self):
        self.works.set()
        try:
            await self._stop.wait()
            await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            self.left = True

    def stop(self):
        self._stop.set()


@pytest.fixture
def replaced():
    return asyncio.Event()


async def test_a_loop_that_is_cancelled_has_ended(replaced):
    loop = Endless()
    running = asyncio.create_task(UntilReplaced(loop, replaced).run())
    await loop.works.wait()

    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    assert loop.left
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_loop_ends_with_its_broker(replaced):
    loop = Endless()
    running = asyncio.create_task(UntilReplaced(loop, replaced).run())
    await loop.works.wait()

    replaced.set()

    with pytest.raises(BrokerUnavailable, match="replaced"):
        await running
    assert loop.left


async def test_a_loop_that_is_stopped_ends_without_an_error(replaced):
    loop = Endless()
    kept = UntilReplaced(loop, replaced)
    running = asyncio.create_task(kept.run())
    await kept.works.wait()

    kept.stop()
    await running

    assert loop.left


async def test_on_a_real_kafka_a_loop_is_left_as_it_is():
    loop = Endless()

    assert Brokers().until_replaced(lambda: loop) is loop
