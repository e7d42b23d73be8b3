"""The middleware against the lifespan protocol: every startup, body and shutdown, and nothing raised out of it."""

import asyncio
import itertools
import signal
from contextlib import asynccontextmanager
from functools import partial

import pytest
from asgi_lifespan import LifespanManager

from lifespan import Lifespan, current, run
from tests.lifespan.noted import noted
from tests.virtual_time import in_virtual_time


async def nothing(scope, receive, send):
    """An application that is never asked."""


class Server:
    """Drives the protocol by hand and keeps what the application said."""

    def __init__(self, application, **scope):
        self.said, self.answered = [], asyncio.Queue()
        self.messages = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, **scope}
        self.task = asyncio.ensure_future(application(scope, self.messages.get, self.send))

    async def send(self, message):
        self.said.append(message["type"].removeprefix("lifespan."))
        self.answered.put_nowait(message)

    async def tell(self, what):
        self.messages.put_nowait({"type": f"lifespan.{what}"})
        return await asyncio.wait_for(self.answered.get(), 60)


def resource_that(startup, body, shutdown, log):
    @asynccontextmanager
    async def quotes(run):
        if startup:
            raise ValueError("no broker")
        if body:
            run.fail(RuntimeError("lost the broker"))
        yield {"quotes": 1}
        log.append("closed")
        if shutdown:
            raise OSError("not flushed")

    return quotes


FAILURES = list(itertools.product([False, True], repeat=3))


@pytest.mark.parametrize(("startup", "body", "shutdown"), FAILURES)
@pytest.mark.usefixtures("nobody_serves")
async def test_each_failure_is_answered_and_none_is_raised(startup, body, shutdown):
    log = []

    server = Server(Lifespan(nothing, resource_that(startup, False, shutdown, log)))
    answer = await server.tell("startup")

    if startup:
        await server.task
        assert server.said == ["startup.failed"]
        assert answer["message"] == "not started: quotes: ValueError: no broker"
        assert log == []
        return
    if body:
        current().fail(RuntimeError("lost the broker"))
    answer = await server.tell("shutdown")
    await server.task
    expected = ["RuntimeError: lost the broker"] * body + ["quotes: OSError: not flushed"] * shutdown
    assert server.said == ["startup.complete", "shutdown.failed" if expected else "shutdown.complete"]
    assert answer.get("message", "") == "; ".join(expected)
    assert log == ["closed"]


@pytest.mark.parametrize(("startup", "body", "shutdown"), FAILURES)
@pytest.mark.usefixtures("nobody_serves")
def test_asgi_lifespan_sees_the_same(startup, body, shutdown, caplog):
    log, served = [], []
    application = Lifespan(nothing, resource_that(startup, False, shutdown, log))

    async def drive():
        # It knows only the two `complete` answers, and waits for them: its own limits stand for a failure.
        async with LifespanManager(application, startup_timeout=100, shutdown_timeout=100):
            served.append(True)
            if body:
                raise KeyError("the test's own")

    expected = TimeoutError if startup else KeyError if body else TimeoutError if shutdown else None
    if expected:
        with pytest.raises(expected):
            in_virtual_time(drive())
    else:
        in_virtual_time(drive())

    told = ["quotes: ValueError: no broker"] * startup or ["quotes: OSError: not flushed"] * shutdown
    assert [record.message for record in caplog.records if record.name == "lifespan"] == told
    assert served == [True] * (not startup)
    assert log == ["closed"] * (not startup)


@pytest.mark.usefixtures("nobody_serves")
async def test_a_failure_while_starting_undoes_the_start():
    log = []

    @asynccontextmanager
    async def slow(run):
        await asyncio.Event().wait()
        yield

    server = Server(Lifespan(nothing, resource_that(False, True, False, log), slow))
    answer = await server.tell("startup")

    await server.task
    assert answer == {
        "type": "lifespan.startup.failed",
        "message": "not started: RuntimeError: lost the broker",
    }


@pytest.mark.parametrize("type", ["http", "websocket", "something.new"])
async def test_other_scopes_are_passed_on_untouched(type):
    seen = []

    async def app(*given):
        seen.append(given)

    given = {"type": type, "path": "/"}, object(), object()
    await Lifespan(app)(scope=given[0], receive=given[1], send=given[2])

    assert [list(map(id, one)) for one in seen] == [list(map(id, given))]
    assert given[0] == {"type": type, "path": "/"}


async def test_what_resources_yield_is_merged_into_the_servers_state():
    @asynccontextmanager
    async def first(run):
        yield {"a": 1}

    @asynccontextmanager
    async def second(run):
        assert run.state == {"a": 1}
        yield

    @asynccontextmanager
    async def third(run):
        yield {"c": 3}

    state = {}
    server = Server(Lifespan(nothing, first, second, third), state=state)
    await server.tell("startup")

    assert state == {"a": 1, "c": 3}
    assert current().state == {"a": 1, "c": 3}
    await server.tell("shutdown")
    await server.task


async def test_a_server_that_cancels_the_start_has_it_undone():
    log, reached = [], asyncio.Event()

    @asynccontextmanager
    async def stuck(run):
        reached.set()
        await asyncio.Event().wait()
        yield

    @asynccontextmanager
    async def first(run):
        try:
            yield
        finally:
            log.append("undone")

    server = Server(Lifespan(nothing, first, stuck))
    server.messages.put_nowait({"type": "lifespan.startup"})
    await reached.wait()
    server.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await server.task
    assert log == ["undone"]
    assert server.said == []


async def test_a_server_that_cancels_the_wait_has_the_resources_closed():
    log = []
    server = Server(Lifespan(nothing, resource_that(False, False, False, log)))
    await server.tell("startup")

    server.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await server.task
    assert log == ["closed"]


async def test_one_application_serves_one_lifespan_after_the_other():
    log = []
    application = Lifespan(nothing, resource_that(False, False, False, log))

    for _ in range(2):
        async with LifespanManager(application):
            assert current().stage == "up"

    assert log == ["closed", "closed"]


@pytest.mark.parametrize("limit", ["startup_timeout", "shutdown_timeout"])
@pytest.mark.parametrize("wrong", ["5", None, 0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("use", [partial(Lifespan, nothing), run])
def test_a_time_limit_must_be_a_number_of_seconds(use, limit, wrong):
    with pytest.raises(ValueError, match=f"{limit} must be a number of seconds above 0, not {wrong!r}"):
        use(**{limit: wrong})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [(None, "NoneType"), ("events.worker.sending", "str"), (noted("a", [])(None), "_AsyncGeneratorContextManager")],
)
@pytest.mark.parametrize("use", [partial(Lifespan, nothing), run])
def test_a_resource_must_be_a_function_that_is_not_called_yet(use, wrong, what):
    with pytest.raises(TypeError, match=f"resource 2 is a {what}: pass the function itself, do not call it"):
        use(noted("a", []), wrong)


@pytest.mark.parametrize("forgotten", [noted("a", []), noted("a", []).__wrapped__])
def test_an_application_that_was_forgotten_is_asked_for(forgotten):
    with pytest.raises(TypeError, match=r"the application comes first: Lifespan\(application"):
        Lifespan(forgotten, noted("b", []))


async def test_whatever_breaks_while_a_run_is_made_is_answered(monkeypatch):
    def breaks(*resources, **limits):
        raise KeyError("not foreseen")

    monkeypatch.setattr("lifespan.middleware.Run", breaks)
    server = Server(Lifespan(nothing))

    answer = await server.tell("startup")

    await server.task
    assert answer == {"type": "lifespan.startup.failed", "message": "'not foreseen'"}


def test_without_asyncio_the_start_fails_with_a_reason():
    said = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        said.append(message)

    coroutine = Lifespan(nothing)({"type": "lifespan"}, receive, send)
    with pytest.raises(StopIteration):  # as trio would step it; it never has to wait
        coroutine.send(None)

    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "asyncio is needed, not trio" in said[0]["message"]


def test_a_failed_run_leaves_with_an_exit_code_once_the_server_has_drained():
    heard = []

    async def serve():
        server = Server(Lifespan(nothing, resource_that(False, False, False, [])))
        await server.tell("startup")
        current().fail(RuntimeError("lost the broker"))
        await current().draining.wait()
        assert heard == [signal.SIGTERM]
        await server.tell("shutdown")

    before = signal.signal(signal.SIGTERM, lambda signum, frame: heard.append(signum))
    try:
        with pytest.raises(SystemExit) as left:
            asyncio.run(serve())
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)

    assert left.value.code == 1
