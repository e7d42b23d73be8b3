"""A run: order, one task, time limits, draining, and what happens when something in it breaks."""

import asyncio
import logging
import threading
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest

from lifespan import NotStarted, Run, current


def noted(name, log, *, opening=None, closing=None):
    @asynccontextmanager
    async def resource(run):
        log.append(f"open {name}")
        if opening:
            await opening(run)
        try:
            yield {name: asyncio.current_task()}
        finally:
            log.append(f"close {name}")
            if closing:
                await closing(run)

    resource.__name__ = name
    return resource


async def breaks(run):
    raise ValueError("broken\n  in two lines")


async def hangs(run):
    await asyncio.Event().wait()


async def test_resources_open_in_order_and_close_in_reverse_by_one_task():
    log, tasks = [], []

    async def note_task(run):
        tasks.append(asyncio.current_task())

    run = Run(*[noted(name, log, opening=note_task, closing=note_task) for name in "abc"])
    await run.start()
    await asyncio.create_task(run.finish())

    assert log == ["open a", "open b", "open c", "close c", "close b", "close a"]
    assert len(set(tasks)) == 1
    assert tasks[0] is not asyncio.current_task()
    assert run.stage == "ended"
    assert run.problems == []


async def test_a_start_that_fails_half_way_is_undone_and_names_the_resource(caplog):
    log = []
    run = Run(noted("a", log), noted("b", log, opening=breaks), noted("c", log))

    with pytest.raises(NotStarted, match="^not started: b: ValueError: broken in two lines$"):
        await run.start()

    assert log == ["open a", "open b", "close a"]
    assert run.draining.is_set()
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]


async def test_an_undo_that_fails_too_comes_second():
    log = []
    run = Run(noted("a", log, closing=breaks), noted("b", log, opening=hangs), startup_timeout=0.01)

    with pytest.raises(NotStarted):
        await run.start()

    assert run.problems == [
        "b: TimeoutError: not started within 0.01 s",
        "a: ValueError: broken in two lines",
    ]


async def test_the_startup_limit_holds_for_all_resources_together():
    log = []
    turns = partial(asyncio.sleep, 0.04)
    run = Run(*[noted(name, log, opening=lambda run: turns()) for name in "abcd"], startup_timeout=0.1)

    with pytest.raises(NotStarted, match="c: TimeoutError: not started within 0.1 s"):
        await run.start()

    assert log == ["open a", "open b", "open c", "close b", "close a"]


async def test_the_shutdown_limit_holds_for_all_resources_together():
    log = []
    run = Run(noted("a", log, closing=hangs), noted("b", log, closing=hangs), shutdown_timeout=0.05)
    await run.start()

    started = run.loop.time()
    await run.finish()

    assert run.loop.time() - started < 0.09
    assert log[2:] == ["close b", "close a"]
    assert run.problems == [f"{name}: TimeoutError: not closed within 0.05 s" for name in "ba"]


async def test_a_time_out_of_the_resource_itself_is_told_as_its_own():
    async def impatient(run):
        raise TimeoutError("no answer from the broker")

    with pytest.raises(NotStarted, match="a: TimeoutError: no answer from the broker"):
        await Run(noted("a", [], opening=impatient)).start()


async def test_the_limit_does_not_hold_between_start_and_finish():
    run = Run(noted("a", []), startup_timeout=0.01, shutdown_timeout=0.01)
    await run.start()
    await asyncio.sleep(0.03)

    await run.finish()

    assert run.problems == []


def wrong_not_a_context_manager(run):
    return {}


@asynccontextmanager
async def wrong_yields_a_list(run):
    yield ["producer"]


@asynccontextmanager
async def wrong_yields_a_taken_name(run):
    yield {"a": 2}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (wrong_not_a_context_manager, "is @asynccontextmanager missing"),
        (wrong_yields_a_list, "must yield a dict of names and values, or nothing; not list"),
        (wrong_yields_a_taken_name, r"yields \['a'\], as another resource does"),
    ],
)
async def test_a_wrong_resource_is_told_what_to_change(wrong, told):
    log = []

    with pytest.raises(NotStarted, match=told) as caught:
        await Run(noted("a", log), wrong).start()

    assert wrong.__name__ in str(caught.value)
    assert log == ["open a", "close a"]


async def test_a_resource_without_a_name_is_called_by_its_class():
    with pytest.raises(NotStarted, match="partial: ValueError"):
        await Run(partial(noted("a", [], opening=breaks))).start()


@asynccontextmanager
async def grouped(run):
    async with asyncio.TaskGroup() as group:
        yield {"group": group}


async def test_a_start_failure_passes_a_task_group_and_is_told_once():
    run = Run(grouped, noted("b", [], opening=breaks))

    with pytest.raises(NotStarted):
        await run.start()

    assert run.problems == ["b: ValueError: broken in two lines"]


async def test_a_task_group_torn_by_its_child_ends_the_run_and_asks_to_stop():
    log, asked = [], asyncio.Event()

    def ask():
        asked.set()
        return True

    run = Run(noted("a", log), grouped, ask_to_stop=ask)
    await run.start()
    run.state["group"].create_task(breaks(run))
    await asked.wait()

    assert run.stage == "ended"
    assert run.problems == ["grouped: ValueError: broken in two lines"]
    assert log == ["open a", "close a"]
    await run.finish()
    assert run.sets_exit_code


async def test_a_task_group_torn_while_starting_fails_the_start():
    async def tear(run):
        run.state["group"].create_task(breaks(run))
        await hangs(run)

    run = Run(grouped, noted("b", [], opening=tear))

    with pytest.raises(NotStarted, match="not started: grouped: ValueError"):
        await run.start()


class Swallowing(AbstractAsyncContextManager):
    """A resource that hides every error that passes it."""

    def __init__(self, run):
        pass

    async def __aenter__(self):
        """It yields nothing."""

    async def __aexit__(self, *raised):
        return True


async def test_a_resource_that_swallows_the_failure_does_not_hide_it():
    with pytest.raises(NotStarted, match="b: ValueError"):
        await Run(Swallowing, noted("b", [], opening=breaks)).start()


async def test_state_of_a_class_is_refused_with_its_name():
    class Yields(Swallowing):
        async def __aenter__(self):
            return 7

    with pytest.raises(NotStarted, match="Yields: TypeError: .* not int"):
        await Run(Yields).start()


async def test_draining_is_set_before_the_first_resource_closes():
    seen = []

    async def look(run):
        seen.append((run.draining.is_set(), run.stage))

    run = Run(noted("a", [], closing=look))
    await run.start()
    assert not run.draining.is_set()
    await run.finish()

    assert seen == [(True, "closing")]


async def test_stop_asks_once_and_drains_while_the_resources_stay_up():
    asked, log = [], []
    run = Run(noted("a", log), ask_to_stop=lambda: asked.append(1) or True)
    await run.start()

    run.stop()
    run.stop()
    await run.draining.wait()
    await asyncio.sleep(0)

    assert asked == [1]
    assert log == ["open a"]
    await run.finish()
    run.stop()
    await asyncio.sleep(0)
    assert asked == [1]


async def test_fail_may_be_called_from_a_thread_and_keeps_the_resources_up(caplog):
    run = Run(noted("a", log := []), ask_to_stop=lambda: True)
    await run.start()

    await asyncio.to_thread(run.fail, RuntimeError("lost"))
    await run.draining.wait()

    assert log == ["open a"]
    assert run.sets_exit_code
    assert run.problems == ["RuntimeError: lost"]
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert caplog.records[-1].exc_info[0] is RuntimeError
    await run.finish()


async def test_stopping_while_it_starts_undoes_the_start():
    log = []

    async def stop_and_hang(run):
        run.stop()
        run.stop()
        await hangs(run)

    run = Run(noted("a", log), noted("b", log, opening=stop_and_hang), ask_to_stop=lambda: pytest.fail("asked"))

    with pytest.raises(NotStarted, match="asked to stop while starting"):
        await run.start()

    assert log == ["open a", "open b", "close a"]
    assert run.problems == []


async def test_a_failure_during_the_undo_of_a_start_does_not_tear_the_undo():
    log = []

    async def fail_and_close(run):
        run.fail(RuntimeError("late"))
        await asyncio.sleep(0.01)
        log.append("undone")

    run = Run(
        noted("a", log, closing=fail_and_close),
        noted("b", log, opening=breaks),
        ask_to_stop=lambda: pytest.fail("asked"),
    )

    with pytest.raises(NotStarted):
        await run.start()

    assert log == ["open a", "open b", "close a", "undone"]
    assert run.problems == ["b: ValueError: broken in two lines", "RuntimeError: late"]


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


def test_stop_after_the_loops_end_is_nothing():
    async def once():
        run = Run()
        await run.start()
        await run.finish()
        return run

    run = asyncio.run(once())

    run.stop()

    assert run.stage == "ended"


async def test_current_is_the_run_of_this_loop_and_of_its_threads():
    async def ask(run):
        assert current() is run

    run = Run(noted("a", [], opening=ask, closing=ask))
    await run.start()

    assert current() is run
    assert current(run.loop) is run
    assert await asyncio.to_thread(current) is run
    await run.finish()
    with pytest.raises(NotStarted, match="not started: no run on this event loop; serve lifespan.Lifespan"):
        current()
    with pytest.raises(NotStarted, match="not started: no run in this process"):
        await asyncio.to_thread(current)


async def test_of_two_runs_on_a_loop_the_younger_is_current():
    older, younger = Run(), Run()
    await older.start()
    await younger.start()

    assert current() is younger
    await younger.finish()
    assert current() is older
    await older.finish()


async def test_where_several_loops_run_a_thread_must_name_its_own():
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

    with pytest.raises(NotStarted, match="name yours"):
        await asyncio.to_thread(current)
    assert await asyncio.to_thread(current, run.loop) is run

    over.set()
    await run.finish()
    await asyncio.to_thread(thread.join)
