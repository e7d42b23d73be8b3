"""A run: order, one task, time limits, draining, and what happens when something in it breaks."""

import asyncio
import logging
import signal
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

import pytest

from lifespan import NotStarted, Run
from tests.lifespan.noted import breaks, hangs, noted
from tests.waiting import until


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


def wrong_not_a_context_manager(run):
    return {}


async def wrong_not_decorated(run):
    yield


@asynccontextmanager
async def wrong_yields_a_list(run):
    yield ["producer"]


@asynccontextmanager
async def wrong_yields_a_taken_name(run):
    yield {"a": 2}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (wrong_not_a_context_manager, "'builtins.dict' object does not support the asynchronous context manager"),
        (wrong_not_decorated, "'builtins.async_generator' object does not support the asynchronous context manager"),
        (wrong_yields_a_list, "must be a mapping, not list"),
        (wrong_yields_a_taken_name, "multiple values for keyword argument 'a'"),
    ],
)
async def test_a_wrong_resource_is_told_what_to_change(wrong, told, caplog):
    log = []

    with pytest.raises(NotStarted, match=told) as caught:
        await Run(noted("a", log), wrong).start()

    assert str(caught.value).startswith(f"not started: {wrong.__name__}: TypeError: ")
    assert log == ["open a", "close a"]


async def test_a_partial_is_called_by_its_function():
    with pytest.raises(NotStarted, match="a: ValueError"):
        await Run(partial(noted("a", [], opening=breaks))).start()


@pytest.mark.parametrize("fault", ["opening", "closing"])
async def test_a_resource_that_breaks_is_no_trouble_of_the_others(fault):
    log = []

    @asynccontextmanager
    async def without_a_finally(run):
        yield
        log.append("flushed")

    run = Run(without_a_finally, noted("b", [], **{fault: breaks}))
    with suppress(NotStarted):
        await run.start()
    await run.finish()

    assert log == ["flushed"]
    assert run.problems == ["b: ValueError: broken in two lines"]


@asynccontextmanager
async def grouped(run):
    async with asyncio.TaskGroup() as group:
        yield {"group": group}


async def test_a_start_failure_passes_a_task_group_and_is_told_once():
    run = Run(grouped, noted("b", [], opening=breaks))

    with pytest.raises(NotStarted):
        await run.start()

    assert run.problems == ["b: ValueError: broken in two lines"]


async def test_a_task_group_torn_by_its_child_ends_the_run_and_asks_to_stop(server):
    log = []
    run = Run(noted("a", log), grouped)
    await run.start()
    run.state["group"].create_task(breaks(run))
    await until(lambda: server)

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


async def test_stop_asks_once_and_drains_while_the_resources_stay_up(server):
    run = Run(noted("a", log := []))
    await run.start()

    run.stop()
    run.stop()
    await run.draining.wait()
    await asyncio.sleep(0)

    assert server == [signal.SIGTERM]
    assert log == ["open a"]
    await run.finish()
    run.stop()
    await asyncio.sleep(0)
    assert server == [signal.SIGTERM]


async def test_fail_may_be_called_from_a_thread_and_keeps_the_resources_up(server, caplog):
    run = Run(noted("a", log := []))
    await run.start()

    await asyncio.to_thread(run.fail, RuntimeError("lost"))
    await run.draining.wait()

    assert log == ["open a"]
    assert run.sets_exit_code
    assert run.problems == ["RuntimeError: lost"]
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert caplog.records[-1].exc_info[0] is RuntimeError
    await run.finish()


async def test_stopping_while_it_starts_undoes_the_start(server):
    log = []

    async def stop_and_hang(run):
        run.stop()
        run.stop()
        await hangs(run)

    run = Run(noted("a", log), noted("b", log, opening=stop_and_hang))

    with pytest.raises(NotStarted, match="asked to stop while starting"):
        await run.start()

    assert log == ["open a", "open b", "close a"]
    assert (run.problems, server) == ([], [])


async def test_a_failure_during_the_undo_of_a_start_does_not_tear_the_undo(server):
    log = []

    async def fail_and_close(run):
        run.fail(RuntimeError("late"))
        await asyncio.sleep(0.01)
        log.append("undone")

    run = Run(noted("a", log, closing=fail_and_close), noted("b", log, opening=breaks))

    with pytest.raises(NotStarted):
        await run.start()

    assert log == ["open a", "open b", "close a", "undone"]
    assert run.problems == ["b: ValueError: broken in two lines", "RuntimeError: late"]
    assert server == []


def test_stop_after_the_loops_end_is_nothing():
    async def once():
        run = Run()
        await run.start()
        await run.finish()
        return run

    run = asyncio.run(once())

    run.stop()

    assert run.stage == "ended"


class NotSet(ValueError):
    traceback_helps = False


async def test_an_error_that_says_what_to_change_is_logged_without_a_traceback(caplog):
    async def demand(run):
        raise NotSet("set BOOTSTRAP_SERVERS")

    run = Run(noted("_sending", [], opening=demand))

    with pytest.raises(NotStarted, match="^not started: sending: NotSet: set BOOTSTRAP_SERVERS$"):
        await run.start()

    assert [(one.message, one.exc_info) for one in caplog.records] == [("sending: NotSet: set BOOTSTRAP_SERVERS", None)]
