"""A run: one start and stop of resources on one event loop.

    start()            a stop signal, stop()                finish()
      | open A, B      | or the shutdown                      | close B, A
      +-------- up ----+--------------- draining -------------+------------ ended

ONE task of the run's own opens and closes all resources: task groups and timeouts rely on it, and a crash in one
then does not tear the server's coroutine.
"""

import asyncio
import atexit
import logging
import sys
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import suppress
from typing import Literal

from lifespan.resources import Held, Resources, check, one_line, worth_a_traceback
from lifespan.signals import StopSignals

log = logging.getLogger("lifespan")

type Resource = Callable[[Run], Held]

HURRY_S = 1.0
"""What is left for closing at a second stop signal, in seconds."""


class NotStarted(RuntimeError):
    """There is no run, or it did not start; the text says why and what to change."""


class Run:
    """One start and stop of `resources` on the running event loop, `loop`. Time limits are in seconds.

    `state` is what the resources have yielded, merged; it belongs to `loop`. `draining` is set at a stop signal, at
    `stop()` or at the shutdown, whichever is first. `problems` has a line for each thing that went wrong. `finish()`
    ends it. `sets_exit_code` says that it has asked the server to stop; `alone` there is none, and it closes at once.
    """

    def __init__(
        self, *resources: Resource, startup_timeout: float = 25.0, shutdown_timeout: float = 20.0, alone: bool = False
    ) -> None:
        check(resources, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout)
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError as exc:
            raise NotStarted("not started: asyncio is needed, not trio (hypercorn: -k asyncio)") from exc
        self.stage: Literal["opening", "up", "closing", "ended"] = "opening"
        self.draining = asyncio.Event()
        self.sets_exit_code = False
        self._resources = resources
        self.shutdown_timeout = shutdown_timeout
        self._open = Resources(startup_timeout)
        self.state, self.problems = self._open.state, self._open.problems
        self._alone = alone
        self._signals = StopSignals(self._heard, alone=alone)
        self._hurried = False
        self._up = self.loop.create_future()
        self._finishing = asyncio.Event()

    async def start(self) -> None:
        """Open all resources, in order. Raises `NotStarted`, after closing those that were open."""
        self._task = self.loop.create_task(self._own(), name="lifespan")
        try:
            await asyncio.wait({self._task, self._up}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the server lost patience
            await self.finish()
            raise
        if not self._up.done():
            raise NotStarted("not started: " + ("; ".join(self.problems) or "asked to stop while starting"))

    async def finish(self) -> None:
        """Close all resources, in reverse. What breaks is told in `problems`, not raised."""
        self._end()
        await asyncio.wait({self._task})

    def fail(self, exc: BaseException) -> None:
        """Give up: the process drains what it serves and leaves with a non-zero exit code. Any thread may call.

        The resources stay up until the server has drained.
        """
        self.problems.append(one_line(exc))
        log.critical("failed, the process stops: %s", self.problems[-1], exc_info=worth_a_traceback(exc))
        self.stop()

    def stop(self) -> None:
        """Drain and end, for example because the goal is reached. Any thread may call."""
        with suppress(RuntimeError):  # the loop is closed: all is over
            self.loop.call_soon_threadsafe(self._stop)

    def hurry(self) -> None:
        """Close within a second whatever the server still waits for, and leave."""
        if self._hurried or self.stage == "ended":
            return
        self._hurried = True
        self.problems.append("stopped in a hurry")
        log.warning("asked to stop again: what is not closed within %g s is left", HURRY_S)
        self.shutdown_timeout = HURRY_S
        self._open.allow(HURRY_S, late="closed")
        self._end()
        if not self._alone:
            self._task.add_done_callback(lambda task: sys.exit(1))

    def _heard(self, again: bool) -> None:
        react = self.hurry if again else self._stop if self._alone else self._drain
        self.loop.call_soon_threadsafe(react)

    def _drain(self) -> None:
        if self._signals.adopted and not self.draining.is_set():  # its server may never send the shutdown
            self.loop.call_later(self.shutdown_timeout, self.hurry)
        self.draining.set()

    def _stop(self) -> None:
        self._drain()
        if self._alone or self.stage == "opening":
            self._end()
        elif self._up.done() and not self._finishing.is_set() and not self.sets_exit_code:
            self.sets_exit_code = self._signals.ask_to_stop()

    def _end(self) -> None:
        if self.stage == "opening" and not self._finishing.is_set():
            self._task.cancel()
        self._finishing.set()

    async def _own(self) -> None:
        _runs.append(self)
        try:
            with self._signals:
                async with self._open:
                    await self._hold()
                self._stop()  # ended before its time, if a task group around a `yield` was torn by its child
        finally:
            self.stage = "ended"
            _runs.remove(self)

    async def _hold(self) -> None:
        try:
            for resource in self._resources:
                if not await self._open.open(resource, self):
                    return
            self.stage = "up"
            self._up.set_result(None)
            await self._finishing.wait()
        finally:
            self.stage = "closing"
            self.draining.set()
            self._open.allow(self.shutdown_timeout, late="closed")


_runs: list[Run] = []  # those that are up, or about to be, or closing


def current() -> Run:
    """Return the run of the running event loop. Raises `NotStarted` where there is none.

    A thread without a loop (a sync view) gets the run of its process, if all runs there are on one loop. There, use
    what is in `state` by `asyncio.run_coroutine_threadsafe(…, run.loop)`.
    """
    found = list(_runs)
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
        found = [run for run in found if run.loop is loop]
    if not found:
        how = "serve lifespan.Lifespan(application, ...) by an ASGI server (no WSGI, no --lifespan off)"
        raise NotStarted(f"not started: there is no run here; {how}, or use lifespan.run(...)")
    if len({run.loop for run in found}) > 1:
        raise NotStarted("not started here: several event loops have a run; ask on yours, and hand on the answer")
    return found[-1]


@atexit.register
def stop_runs() -> None:
    """Close what other threads hold open, within its time limit.

    For the end of a main thread under which an autoreloader runs. The end of the interpreter does it too, and at a
    Ctrl-C in runserver it alone does. By then no executor takes work any more: what closes by `asyncio.to_thread`
    fails there, so a resource should close without, or by a thread of its own.
    """
    for run in list(_runs):
        if run.loop.is_running():
            closed = asyncio.run_coroutine_threadsafe(run.finish(), run.loop)
            wait({closed}, timeout=run.shutdown_timeout + 1)
