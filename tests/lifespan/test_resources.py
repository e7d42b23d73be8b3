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


def hurried(run_and_hurry):
    """The stages and problems of a run that is hurried, by the second; it leaves the process."""
    noted = []
    with pytest.raises(SystemExit) as left:
        in_virtual_time(run_and_hurry(noted))
    assert left.value.code == 1
    return noted


@pytest.mark.parametrize("wait", [0, 5])
def test_in_a_hurry_what_is_up_or_closing_has_one_second_more(wait):
    log = []

    async def close_and_hurry(runs):
        run = Run(noted("a", log, closing=hangs), noted("b", log, closing=hangs))
        runs.append(run)
        await run.start()
        closing = asyncio.create_task(run.finish() if wait else run.draining.wait())
        await asyncio.sleep(wait)
        run.hurry()
        run.hurry()
        await closing
        await asyncio.sleep(1000)

    [run] = hurried(close_and_hurry)

    assert run.loop.time() == pytest.approx(wait + 1)
    assert run.stage == "ended"
    assert log == ["open a", "open b", "close b", "close a"]
    late = "TimeoutError: not closed within 1 s"
    assert run.problems == ["stopped in a hurry", f"b: {late}", f"a: {late}"]


def test_in_a_hurry_a_start_is_undone():
    log = []

    async def open_and_hurry(runs):
        run = Run(noted("a", log, closing=hangs), noted("b", log, opening=hangs))
        runs.append(run)
        starting = asyncio.create_task(run.start())
        await asyncio.sleep(5)
        run.hurry()
        await starting

    [run] = hurried(open_and_hurry)

    assert run.loop.time() == pytest.approx(6)
    assert log == ["open a", "open b", "close a"]
    assert run.problems == ["stopped in a hurry", "a: TimeoutError: not closed within 1 s"]


def test_a_hurry_lets_what_was_late_already_end():
    async def clean_up_slowly(run):
        try:
            await hangs(run)
        finally:
            await asyncio.sleep(5)

    async def close_and_hurry(runs):
        run = Run(noted("a", [], closing=clean_up_slowly), shutdown_timeout=20)
        runs.append(run)
        await run.start()
        closing = asyncio.create_task(run.finish())
        await asyncio.sleep(22)
        run.hurry()
        await closing
        await asyncio.sleep(1000)

    [run] = hurried(close_and_hurry)

    assert run.loop.time() == pytest.approx(25)


def test_a_hurry_at_the_end_is_nothing():
    async def end_and_hurry():
        run = Run()
        await run.start()
        await run.finish()
        run.hurry()
        return run.problems

    assert in_virtual_time(end_and_hurry()) == []
