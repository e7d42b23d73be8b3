"""`aatomic` where nothing gives its task a thread, as in subscribers with `atomic=False` and in scripts."""

import asyncio
import threading

from asgiref.sync import sync_to_async

from events.transactions import aatomic
from tests.effects import aeffects, awrite
from tests.waiting import until

database_thread_of_this_task = sync_to_async(threading.get_ident)


async def test_each_block_brings_a_thread_and_so_a_transaction_of_its_own(outbox_database):
    """Not two at once: SQLite has one writer. That the threads differ is what keeps the transactions apart."""
    is_open, looked = asyncio.Event(), asyncio.Event()

    async def block():
        async with aatomic(outbox_database):
            is_open.set()
            await looked.wait()
            return await database_thread_of_this_task()

    async def outside():
        await is_open.wait()
        ident = await database_thread_of_this_task()
        looked.set()
        return ident

    inside, beside = await asyncio.gather(block(), outside())

    assert inside != beside
    assert await database_thread_of_this_task() == beside


async def test_a_nested_block_stays_on_the_thread_of_the_outer_one(outbox_database):
    async with aatomic(outbox_database):
        outer = await database_thread_of_this_task()
        async with aatomic(outbox_database):
            assert await database_thread_of_this_task() == outer
            await awrite("nested")

    assert await aeffects() == ["nested"]


async def test_a_block_with_a_thread_of_its_own_leaves_none_behind(outbox_database):
    async with aatomic(outbox_database):
        await awrite("one")
        inside = [thread.name for thread in threading.enumerate()]

    assert "aatomic" in inside
    await until(lambda: "aatomic" not in [thread.name for thread in threading.enumerate()])
