"""The lifespan of the wrapped application: how it is told, what it is given, and what its crash does."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from django.core.asgi import get_asgi_application
from starlette.applications import Starlette

from lifespan import Lifespan, NotStarted, current
from lifespan.driver import lifespan_of
from lifespan.testing import running
from tests.lifespan.noted import noted
from tests.waiting import until


def starlette(log, *, broken_at=None):
    @asynccontextmanager
    async def lifespan(app):
        log.append("open starlette")
        if broken_at == "startup":
            raise OSError("no cache")
        yield {"cache": "there"}
        log.append("close starlette")
        if broken_at == "shutdown":
            raise OSError("not saved")

    return Starlette(lifespan=lifespan)


async def test_it_opens_inside_ours_and_closes_before_ours():
    log = []

    async with running(Lifespan(starlette(log), noted("a", log))) as state:
        assert log == ["open a", "open starlette"]
        assert state["cache"] == "there"
        assert current().state.keys() == {"a", "cache"}

    assert log == ["open a", "open starlette", "close starlette", "close a"]


async def test_it_may_use_what_ours_has_opened():
    found = []

    @asynccontextmanager
    async def lifespan(app):
        found.append(current().state["a"])
        yield

    async with running(Lifespan(Starlette(lifespan=lifespan), noted("a", []))) as state:
        assert found == [state["a"]]


async def test_its_failed_start_fails_ours_in_one_line_and_its_traceback_is_logged(caplog):
    log = []

    with pytest.raises(NotStarted, match="^not started: application: NotStarted: OSError: no cache$"):
        async with running(Lifespan(starlette(log, broken_at="startup"), noted("a", log))):
            pytest.fail("it is up")

    assert log == ["open a", "open starlette", "close a"]
    assert 'raise OSError("no cache")' in caplog.text


async def test_its_failed_shutdown_is_told():
    async def stop():
        async with running(Lifespan(starlette([], broken_at="shutdown"))):
            pass

    with pytest.raises(RuntimeError, match="^application: RuntimeError: OSError: not saved$"):
        await stop()


async def test_an_error_at_its_shutdown_instead_of_an_answer_is_told():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise OSError("not saved")

    async def stop():
        async with running(Lifespan(app)):
            pass

    with pytest.raises(RuntimeError, match="^application: OSError: not saved$"):
        await stop()


async def test_its_name_for_state_must_be_free():
    @asynccontextmanager
    async def cache(run):
        yield {"cache": "ours"}

    with pytest.raises(NotStarted, match=r"application: TypeError: .* multiple values for keyword argument 'cache'"):
        async with running(Lifespan(starlette([]), cache)):
            pytest.fail("it is up")


async def test_django_has_none_and_nothing_is_said_of_it(caplog):
    caplog.set_level(logging.INFO, "lifespan")

    async with running(Lifespan(get_asgi_application(), noted("a", log := []))):
        assert log == ["open a"]

    assert caplog.messages == []


async def test_one_that_crashes_on_the_startup_message_is_served_without_and_that_is_said(caplog):
    async def app(scope, receive, send):
        await receive()
        raise OSError("no cache")

    async with running(Lifespan(app)):
        pass

    [record] = caplog.records
    assert record.message == "the application starts without a lifespan of its own"
    assert (record.levelname, record.exc_info[0]) == ("WARNING", OSError)


@pytest.mark.parametrize("told_before", [True, False])
async def test_one_that_crashes_while_it_serves_fails_the_run(server, told_before):
    crash = asyncio.Event()

    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await crash.wait()
        if told_before:  # as Starlette does
            await send({"type": "lifespan.shutdown.failed", "message": "lost the cache"})
        raise OSError("lost the cache")

    async def serve():
        async with running(Lifespan(app, noted("a", log))):
            crash.set()
            run = current()
            await until(lambda: server)
            assert (run.problems, run.sets_exit_code) == (["OSError: lost the cache"], True)
            assert log == ["open a"]
            run.sets_exit_code = False  # or the test would leave the process here

    log = []
    with pytest.raises(RuntimeError, match="^OSError: lost the cache$"):
        await serve()

    assert log == ["open a", "close a"]


async def test_one_that_returns_early_is_not_asked_again():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})

    async with running(Lifespan(app)):
        await asyncio.sleep(0)


@pytest.mark.parametrize("state", [None, {}])
async def test_it_gets_a_state_only_where_the_server_has_one(state):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)

    async with lifespan_of(Lifespan(app), **({} if state is None else {"state": state})) as task:
        assert task

    assert [scope.get("state") for scope in scopes] == [state]


async def test_one_inside_another_is_refused_and_says_so():
    log = []

    def passing(app):
        async def middleware(scope, receive, send):
            await app(scope, receive, send)

        return middleware

    with pytest.raises(NotStarted, match="one Lifespan is inside another: give all resources to the outermost"):
        async with running(Lifespan(passing(Lifespan(starlette(log), noted("b", log))), noted("a", log))):
            pytest.fail("it is up")

    assert log == ["open a", "close a"]


async def test_two_beside_each_other_on_one_loop_are_not_refused():
    async with running(Lifespan(starlette([]))), running(Lifespan(starlette([]))) as state:
        assert state == {"cache": "there"}
