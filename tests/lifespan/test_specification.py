"""The rules of the lifespan specification 2.0, in all combinations of what may go wrong at start, meanwhile, at stop.

In each cell: the answers in order, each at most once; never an exception but the server's own cancellation; and all
that was opened is closed once, in reverse, by the task that opened it, within the time limits. Time is virtual.
"""

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from asgi_lifespan import LifespanManager

from lifespan import Lifespan, current
from tests.lifespan.noted import hangs
from tests.virtual_time import in_virtual_time

pytestmark = pytest.mark.usefixtures("nobody_serves")

SERVERS = ["with state", "without state", "asgi-lifespan"]
STARTS = ["starts", "raises", "hangs", "exits", "cancels itself", "yields a list"]
BODIES = ["nothing", "run.fail", "a child of its group dies", "cancelled by the server"]
CLOSES = ["closes", "raises", "hangs"]
INNERS = {  # whether it has started, and whether it ends well
    "Django": (False, True),
    "returns": (False, True),
    "lives": (True, True),
    "fails to start": (False, False),
    "hangs at start": (False, False),
    "crashes": (True, False),
    "fails to stop": (True, False),
    "hangs at stop": (True, False),
}
CELLS = [
    (start, body, close)
    for start, body, close in itertools.product(STARTS, BODIES, CLOSES)
    if start == "starts" or body == "nothing"
]


@dataclass
class Cell:
    """An application with two resources and a lifespan inside, each with its fault; and what is seen of it."""

    start: str
    body: str
    close: str
    inner: str
    log: list = field(default_factory=list)
    tasks: set = field(default_factory=set)
    said: list = field(default_factory=list)

    @property
    def starts(self):
        return self.start == "starts" and self.inner not in ("fails to start", "hangs at start")

    @property
    def ends_well(self):
        return self.body == "nothing" and self.close == "closes" and INNERS[self.inner][1]

    def application(self):
        return Lifespan(self.app, self.first, self.second, startup_timeout=25, shutdown_timeout=20)

    def note(self, what):
        self.log.append(what)
        self.tasks.add(asyncio.current_task())

    @asynccontextmanager
    async def first(self, run):
        self.note("open first")
        try:
            yield {"first": 1}
        finally:
            self.note("close first")
            if self.close == "raises":
                raise OSError("not flushed")
            if self.close == "hangs":
                await hangs(run)

    @asynccontextmanager
    async def second(self, run):
        faults = {"raises": OSError("no broker"), "exits": SystemExit(7), "cancels itself": asyncio.CancelledError()}
        if fault := faults.get(self.start):
            raise fault
        if self.start == "hangs":
            await hangs(run)
        self.note("open second")
        try:
            async with asyncio.TaskGroup() as group:
                yield ["second"] if self.start == "yields a list" else {"group": group}
        finally:
            self.note("close second")

    async def app(self, scope, receive, send):
        if self.inner == "Django":
            raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")
        if self.inner == "returns":
            return
        assert (await receive())["type"] == "lifespan.startup"
        await self._inner_start(scope, send)
        try:
            if self.inner == "crashes":
                raise KeyError("crashed")
            assert (await receive())["type"] == "lifespan.shutdown"
            await self._inner_stop(send)
        finally:
            self.log.append("close inner")

    async def _inner_start(self, scope, send):
        if self.inner == "hangs at start":
            await hangs(None)
        if self.inner == "fails to start":
            await send({"type": "lifespan.startup.failed", "message": "no cache"})
            raise RuntimeError("as Starlette does")
        if "state" in scope:
            scope["state"]["inner"] = 3
        self.log.append("open inner")
        await send({"type": "lifespan.startup.complete"})

    async def _inner_stop(self, send):
        if self.inner == "hangs at stop":
            await hangs(None)
        failed = self.inner == "fails to stop"
        await send({"type": "lifespan.shutdown.failed" if failed else "lifespan.shutdown.complete", "message": "lost"})

    async def between(self):
        """What happens while the server serves; returns whether it cancels."""
        run = current()
        if self.inner == "crashes":
            await run.draining.wait()
        if self.body == "run.fail":
            run.fail(RuntimeError("lost the broker"))
            await run.draining.wait()
        if self.body == "a child of its group dies":
            run.state["group"].create_task(hangs_up())
            await run.draining.wait()

    def check(self):
        opened = [what.removeprefix("open ") for what in self.log if what.startswith("open")]
        closed = [what.removeprefix("close ") for what in self.log if what.startswith("close")]
        early = ["inner"] * (self.inner == "crashes" and "inner" in closed)
        assert closed == early + [name for name in reversed(opened) if name not in early]
        assert len(set(opened)) == len(opened)
        assert len(self.tasks) == 1
        assert ("inner" in opened) == (self.start == "starts" and INNERS[self.inner][0])


async def hangs_up():
    raise ConnectionError("the broker hung up")


async def serve(cell, scope):
    """Serve as a server does, by hand."""
    answers, messages, scope = asyncio.Queue(), asyncio.Queue(), {"type": "lifespan", **scope}
    task = asyncio.create_task(cell.application()(scope, messages.get, answers.put))
    messages.put_nowait({"type": "lifespan.startup"})
    cell.said.append(await answers.get())
    if not cell.starts:
        return await task
    if "state" in scope:
        inner = {"inner": 3} if INNERS[cell.inner][0] else {}
        assert scope["state"] == current().state
        assert scope["state"].items() >= {"first": 1, **inner}.items()
        scope["state"].clear()  # as granian does, before the shutdown
    await cell.between()
    if cell.body == "cancelled by the server":
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    else:
        messages.put_nowait({"type": "lifespan.shutdown"})
        await task
    while not answers.empty():
        cell.said.append(answers.get_nowait())


async def serve_by_asgi_lifespan(cell):
    """It knows only the two `complete` answers, and waits for them: its own limits stand for a failure."""
    async with LifespanManager(cell.application(), startup_timeout=100, shutdown_timeout=100):
        cell.said.append({"type": "lifespan.startup.complete"})
        await cell.between()
        if cell.body == "cancelled by the server":
            raise ZeroDivisionError
    cell.said.append({"type": "lifespan.shutdown.complete"})


async def drive(cell, server):
    before = asyncio.all_tasks()
    if server == "asgi-lifespan":
        with suppress(TimeoutError, ZeroDivisionError):
            await serve_by_asgi_lifespan(cell)
    else:
        await serve(cell, {"state": {}} if server == "with state" else {})
        assert asyncio.get_running_loop().time() < 25 + 20 + 1
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("inner", INNERS)
@pytest.mark.parametrize(("start", "body", "close"), CELLS)
def test_the_answers_and_the_resources_of_a_cell(server, inner, start, body, close):
    cell = Cell(start, body, close, inner)

    in_virtual_time(drive(cell, server))

    cell.check()
    expected = ["startup.complete", "shutdown.complete" if cell.ends_well else "shutdown.failed"]
    if not cell.starts:
        expected = ["startup.failed"]
    elif body == "cancelled by the server":
        expected = ["startup.complete"]
    if server == "asgi-lifespan":
        expected = [answer for answer in expected if answer.endswith("complete")]
    assert [answer["type"].removeprefix("lifespan.") for answer in cell.said] == expected


@pytest.mark.parametrize(
    ("start", "inner", "told"),
    [
        ("raises", "Django", "second: OSError: no broker"),
        ("hangs", "Django", "second: TimeoutError: not started within 25 s"),
        ("exits", "lives", "second: SystemExit: 7"),
        ("cancels itself", "lives", "second: CancelledError"),
        (
            "yields a list",
            "lives",
            "second: TypeError: dict() argument after ** must be a mapping, not list",
        ),
        ("starts", "fails to start", "application: NotStarted: no cache"),
        ("starts", "hangs at start", "application: TimeoutError: not started within 25 s"),
    ],
)
def test_a_failed_start_names_the_resource_and_the_cause(start, inner, told):
    cell = Cell(start, "nothing", "closes", inner)

    in_virtual_time(drive(cell, "with state"))

    assert cell.said == [{"type": "lifespan.startup.failed", "message": f"not started: {told}"}]


@pytest.mark.parametrize(
    ("body", "close", "inner", "told"),
    [
        ("run.fail", "raises", "Django", ["RuntimeError: lost the broker", "first: OSError: not flushed"]),
        ("a child of its group dies", "closes", "lives", ["second: ConnectionError: the broker hung up"]),
        ("nothing", "hangs", "lives", ["first: TimeoutError: not closed within 20 s"]),
        ("nothing", "closes", "crashes", ["KeyError: 'crashed'"]),
        ("nothing", "closes", "fails to stop", ["application: RuntimeError: lost"]),
        ("nothing", "raises", "hangs at stop", ["application: TimeoutError: not closed within 20 s"]),
    ],
)
def test_a_failed_stop_names_all_causes(body, close, inner, told):
    cell = Cell("starts", body, close, inner)

    in_virtual_time(drive(cell, "without state"))

    told = [*told, "first: OSError: not flushed"] if inner == "hangs at stop" else told
    assert cell.said[-1] == {"type": "lifespan.shutdown.failed", "message": "; ".join(told)}
