"""`aatomic` on one database thread: commit, rollback, cancellation, savepoints, and what others see meanwhile."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.transaction import TransactionManagementError

from events.transactions import aatomic, inside_aatomic, to_the_end
from tests.effects import aeffects, awrite


class Failed(Exception):
    """What the block of a test raises."""


async def write_and_fail(alias, on_commit=None):
    async with aatomic(alias):
        await awrite("undone")
        if on_commit:
            await sync_to_async(transaction.on_commit)(on_commit, using=alias)
        raise Failed


@pytest.fixture
async def context(database_thread):
    return database_thread.context


async def test_the_block_commits_at_its_end(outbox_database, context):
    async with context(), aatomic(outbox_database):
        await awrite("one")
        assert await aeffects() == []

    assert await aeffects() == ["one"]


async def test_an_error_rolls_back(outbox_database, context):
    async with context():
        with pytest.raises(Failed):
            await write_and_fail(outbox_database)

    assert await aeffects() == []


async def test_a_cancellation_rolls_back_before_it_goes_on(outbox_database, context):
    written = asyncio.Event()

    async def work():
        async with context(), aatomic(outbox_database):
            await awrite("one")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with context(), aatomic(outbox_database):
        await awrite("two")
    assert await aeffects() == ["two"]


async def test_cancelled_while_it_enters_it_leaves_no_transaction_open(outbox_database, database_thread, context):
    busy, may_go_on = threading.Event(), threading.Event()

    async def work():
        async with context(), aatomic(outbox_database):
            await awrite("one")

    async with context():
        database_thread.submit(lambda: (busy.set(), may_go_on.wait(10)))
        entering = asyncio.create_task(_enter(outbox_database))
        assert await asyncio.to_thread(busy.wait, 10)
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await entering

        assert not await sync_to_async(_in_transaction)(outbox_database)


async def test_cancelled_while_it_leaves_it_still_ends_the_transaction(outbox_database, database_thread, context):
    busy, may_go_on, leaves = threading.Event(), threading.Event(), asyncio.Event()

    async def work():
        async with aatomic(outbox_database):
            await awrite("one")
            database_thread.submit(lambda: (busy.set(), may_go_on.wait(10)))
            leaves.set()

    async with context():
        leaving = asyncio.create_task(work())
        await leaves.wait()
        assert await asyncio.to_thread(busy.wait, 10)
        leaving.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await leaving

        assert not await sync_to_async(_in_transaction)(outbox_database)


async def _enter(alias):
    async with aatomic(alias):
        raise AssertionError("it was cancelled before")


def _in_transaction(alias):
    return transaction.get_connection(alias).in_atomic_block


async def test_a_nested_block_is_a_savepoint(outbox_database, context):
    async with context(), aatomic(outbox_database):
        await awrite("outer")
        with pytest.raises(Failed):
            await write_and_fail(outbox_database)

    assert await aeffects() == ["outer"]


async def test_on_commit_runs_after_the_commit_and_not_after_a_rollback(outbox_database, context):
    ran = []
    later = sync_to_async(transaction.on_commit)

    async with context():
        async with aatomic(outbox_database):
            await later(lambda: ran.append("committed"), using=outbox_database)
            assert ran == []
        with pytest.raises(Failed):
            await write_and_fail(outbox_database, lambda: ran.append("rolled back"))

    assert ran == ["committed"]


async def test_the_task_knows_that_it_is_inside(outbox_database, context):
    async with context():
        before = inside_aatomic(outbox_database)
        async with aatomic(outbox_database):
            within = inside_aatomic(outbox_database)
            on_another = inside_aatomic("default")

    assert (before, within, inside_aatomic(outbox_database), on_another) == (False, True, False, False)


async def test_a_block_of_a_sibling_task_is_refused_and_the_open_one_commits(outbox_database, context):
    entered, refused = asyncio.Event(), asyncio.Event()

    async def first():
        async with aatomic(outbox_database):
            entered.set()
            await awrite("first")
            await refused.wait()

    async def second():
        await entered.wait()
        try:
            async with aatomic(outbox_database):
                await awrite("second")
        finally:
            refused.set()

    async with context():
        results = await asyncio.gather(first(), second(), return_exceptions=True)

    assert [type(result) for result in results] == [type(None), TransactionManagementError]
    assert "around both tasks" in str(results[1])
    assert await aeffects() == ["first"]


async def test_siblings_one_after_the_other_each_have_their_own_transaction(outbox_database, context):
    async def write_one(name):
        async with aatomic(outbox_database):
            await awrite(name)

    async with context():
        with pytest.raises(Failed):
            await asyncio.create_task(write_and_fail(outbox_database))
        await asyncio.create_task(write_one("one"))
        await asyncio.create_task(write_one("two"))

    assert await aeffects() == ["one", "two"]


async def test_a_child_task_nests_in_the_block_of_its_parent(outbox_database, context):
    async def nest():
        async with aatomic(outbox_database):
            await awrite("inner")

    async with context(), aatomic(outbox_database):
        await awrite("outer")
        await asyncio.create_task(nest())
        with pytest.raises(Failed):
            await asyncio.create_task(write_and_fail(outbox_database))

    assert await aeffects() == ["inner", "outer"]


async def test_while_a_child_has_a_block_open_its_parent_opens_no_other(outbox_database, context):
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def nest():
        async with aatomic(outbox_database):
            entered.set()
            await go_on.wait()

    async with context(), aatomic(outbox_database):
        child = asyncio.create_task(nest())
        await entered.wait()
        with pytest.raises(TransactionManagementError, match="Another task"):
            await _enter(outbox_database)
        go_on.set()
        await child
        await awrite("outer")

    assert await aeffects() == ["outer"]


async def test_a_child_that_outlives_its_parents_block_takes_both_back_and_both_are_told(outbox_database, context):
    entered, go_on, outer = asyncio.Event(), asyncio.Event(), aatomic(outbox_database)

    async def nest():
        async with aatomic(outbox_database):
            await awrite("inner")
            entered.set()
            await go_on.wait()

    async with context():
        await outer.__aenter__()
        await awrite("outer")
        child = asyncio.create_task(nest())
        await entered.wait()
        with pytest.raises(TransactionManagementError, match="wait for the task"):
            await outer.__aexit__(None, None, None)
        go_on.set()
        with pytest.raises(TransactionManagementError, match="rolled this one back"):
            await child

        assert not await sync_to_async(_in_transaction)(outbox_database)
    assert await aeffects() == []


async def test_waiting_to_the_end_survives_many_cancellations():
    end = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(to_the_end(end))

    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    end.set_result("done")

    with pytest.raises(asyncio.CancelledError):
        await waiting
