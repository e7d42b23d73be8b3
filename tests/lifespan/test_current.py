"""`current()`: which run a piece of code belongs to."""

import asyncio
import threading

import pytest

from lifespan import NotStarted, Run, current
from tests.lifespan.noted import noted


async def test_current_is_the_run_of_this_loop_and_of_its_threads():
    async def ask(run):
        assert current() is run

    run = Run(noted("a", [], opening=ask, closing=ask))
    await run.start()

    assert current() is run
    assert await asyncio.to_thread(current) is run
    await run.finish()
    with pytest.raises(NotStarted, match="not started: there is no run here; serve lifespan.Lifespan"):
        current()
    with pytest.raises(NotStarted, match="there is no run here"):
        await asyncio.to_thread(current)


async def test_of_two_runs_on_a_loop_the_younger_is_current():
    older, younger = Run(), Run()
    await older.start()
    await younger.start()

    assert current() is younger
    await younger.finish()
    assert current() is older
    await older.finish()


async def test_where_several_loops_run_none_is_the_run_of_a_thread():
    up, over = threading.Event(), threading.Event()

    async def other():
        run = Run()
        await run.start()
        up.set()
        await asyncio.to_thread(over.wait)
        await run.finish()

    thread = threading.Thread(target=asyncio.run, args=(other(),))
    thread.start()
    run = Run()
    await run.start()
    await asyncio.to_thread(up.wait)

    with pytest.raises(NotStarted, match="several event loops have a run"):
        await asyncio.to_thread(current)
    assert current() is run

    over.set()
    await run.finish()
    await asyncio.to_thread(thread.join)
