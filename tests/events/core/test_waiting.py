"""An event is waited for, but at most so long."""

import asyncio

from events.core.waiting import wait_at_most


async def test_the_event_cuts_a_wait_short():
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_at_most(event, 3600))
    await asyncio.sleep(0)

    event.set()

    assert await asyncio.wait_for(waiting, 10) is True


async def test_a_wait_ends_by_itself():
    assert await wait_at_most(asyncio.Event(), 0.001) is False


async def test_what_is_set_already_is_not_waited_for():
    event = asyncio.Event()
    event.set()

    assert await wait_at_most(event, 0) is True
