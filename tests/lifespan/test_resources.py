"""Time limits: for all resources together, and only while they open and close. Time is virtual, so it is exact."""

import asyncio

import pytest

from lifespan import NotStarted, Run
from tests.lifespan.noted import breaks, hangs, noted
from tests.virtual_time import in_virtual_time


def waits(seconds):
    async def wait(run):
        await asyncio.sleep(seconds)

    return wait


def test_the_startup_limit_holds_for_all_resources_together():
    log = []

    async def start():
        run = Run(*[noted(name, log, opening=waits(10)) for name in "abcd"], startup_timeout=25)
        with pytest.raises(NotStarted, match="c: TimeoutError: not started within 25 s"):
            await run.start()
        return run.loop.time()

    assert in_virtual_time(start()) == pytest.approx(25)
    assert log == ["open a", "open b", "open c", "close b", "close a"]


def test_the_shutdown_limit_holds_for_all_resources_together():
    log = []

    async def stop():
        run = Run(noted("a", log, closing=hangs), noted("b", log, closing=hangs), shutdown_timeout=20)
        await run.start()
        await run.finish()
        return run

    run = in_virtual_time(stop())

    assert run.loop.time() == pytest.approx(20)
    assert log[2:] == ["close b", "close a"]
    assert run.problems == [f"{name}: TimeoutError: not closed within 20 s" for name in "ba"]


def test_an_undo_that_fails_too_comes_second():
    async def start():
        run = Run(noted("a", [], closing=breaks), noted("b", [], opening=hangs), startup_timeout=25)
        with pytest.raises(NotStarted):
            await run.start()
        return run.problems

    problems = in_virtual_time(start())

    assert problems == ["b: TimeoutError: not started within 25 s", "a: ValueError: broken in two lines"]


def test_a_time_out_of_the_resource_itself_is_told_as_its_own():
    async def impatient(run):
        raise TimeoutError("no answer from the broker")

    async def start():
        with pytest.raises(NotStarted, match="a: TimeoutError: no answer from the broker"):
            await Run(noted("a", [], opening=impatient)).start()

    in_virtual_time(start())


def test_the_limits_do_not_hold_between_start_and_finish():
    async def live():
        run = Run(noted("a", []), startup_timeout=25, shutdown_timeout=20)
        await run.start()
        await asyncio.sleep(3600)
        await run.finish()
        return run.problems

    assert in_virtual_time(live()) == []


async def test_in_a_hurry_what_is_closing_is_cancelled():
    closing = asyncio.Event()

    async def close_for_ever(run):
        closing.set()
        await hangs(run)

    run = Run(noted("a", log := [], closing=hangs), noted("b", log, closing=close_for_ever))
    await run.start()
    finishing = asyncio.create_task(run.finish())
    await closing.wait()

    run.hurry()
    await asyncio.wait_for(finishing, 5)

    assert log == ["open a", "open b", "close b", "close a"]
    assert run.problems[0] == "stopped in a hurry"
    assert run.stage == "ended"


async def test_in_a_hurry_what_is_up_closes_without_time():
    run = Run(noted("a", [], closing=hangs))
    await run.start()

    run.hurry()
    await run.finish()

    assert run.problems == ["stopped in a hurry", "a: TimeoutError: not closed within 0 s"]
