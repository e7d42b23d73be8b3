"""A run: one start and stop of resources on one event loop.

    start()            a stop signal, stop()                finish()
      | open A, B      | or the shutdown                      | close B, A
      +-------- up ----+--------------- draining -------------+------------ ended

ONE task of the run's own opens and closes all resources: task groups and timeouts rely on it, and a crash in one
then does not tear the server's coroutine.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from lifespan.resources import Held, ResourceFailed, Resources, one_line, worth_a_traceback
from lifespan.signals import StopSignals

log = logging.getLogger("lifespan")

type Resource = Callable[[Run], Held]


class NotStarted(RuntimeError):
    """There is no run, or it did not start; the text says why and what to change."""


class Run:
    """One start and stop of `resources` on the running event loop, `loop`. Time limits are in seconds.

    `state` is what the resources have yielded, merged; it belongs to `loop`. `draining` is set at a stop signal, at
    `stop()` or at the shutdown, whichever is first. `problems` has a line for each thing that went wrong.
    `ask_to_stop` makes whoever serves stop, and returns whether the exit code is ours to set (`sets_exit_code`).
    """

    def __init__(
        self,
        *resources: Resource,
        startup_timeout: float = 25.0,
        shutdown_timeout: float = 20.0,
        ask_to_stop: Callable[[], bool] | None = None,
    ) -> None:
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError as exc:
            raise NotStarted("not started: asyncio is needed, not trio (hypercorn: -k asyncio)") from exc
        self.draining = asyncio.Event()
        self.stage: Literal["opening", "up", "closing", "ended"] = "opening"
        self.sets_exit_code = False
        self._resources = resources
        self._open = Resources(startup_timeout, shutdown_timeout)
        self.state: dict[str, Any] = self._open.state
        self.problems: list[str] = self._open.problems
        self._shutdown_timeout = shutdown_timeout
        self._signals = StopSignals(lambda signum: self.loop.call_soon_threadsafe(self.draining.set))
        self._ask_to_stop = ask_to_stop or self._signals.ask_to_stop
        self._asked = False
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
        self._finishing.set()
        if self.stage == "opening":
            self._task.cancel()
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
        """Wait no longer: cancel what is opening, up or closing."""
        self._stop()
        self._open.hurry()
        self._finishing.set()
        self._task.cancel()

    def _stop(self) -> None:
        self.draining.set()
        if self._asked or self._finishing.is_set():
            return
        self._asked = True
        if self._up.done():
            self.sets_exit_code = self._ask_to_stop()
        elif self.stage == "opening":
            self._task.cancel()

    async def _own(self) -> None:
        _runs.append(self)
        try:
            with self._signals, suppress(ResourceFailed):
                if self._signals.adopted:
                    self._last_resort = self.loop.create_task(self._end_adopted())
                await self._hold()
        finally:
            self.stage = "ended"
            _runs.remove(self)
        self._stop()  # ended before its time, if a task group around a `yield` was torn by its child

    async def _hold(self) -> None:
        async with self._open as resources:
            try:
                for resource in self._resources:
                    await resources.open(resource, self)
                self.stage = "up"
                self._up.set_result(None)
                await self._finishing.wait()
            finally:
                self.stage = "closing"
                self.draining.set()
                resources.start_closing()

    async def _end_adopted(self) -> None:
        """End a worker process that heard SIGTERM, and whose server does not send it the shutdown."""
        await self.draining.wait()
        _, pending = await asyncio.wait({self._task}, timeout=self._shutdown_timeout)
        if pending:
            await self.finish()
            signal.raise_signal(signal.SIGTERM)


_runs: list[Run] = []  # those that are up, or about to be, or closing


def current(loop: asyncio.AbstractEventLoop | None = None) -> Run:
    """Return the run of `loop`, by default of the running event loop. Raises `NotStarted` where there is none.

    A thread without a loop (a sync view) gets the run of its process, if all runs there are on one loop; else it
    must name the `loop`. From a thread, use what is in `state` by `asyncio.run_coroutine_threadsafe(…, run.loop)`.
    """
    with suppress(RuntimeError):
        loop = loop or asyncio.get_running_loop()
    found = [run for run in _runs if loop in (None, run.loop)]
    if len({run.loop for run in found}) > 1:
        raise NotStarted("not started here: several event loops have a run; name yours: current(loop)")
    if not found:
        where = "in this process" if loop is None else "on this event loop"
        how = "serve lifespan.Lifespan(application, ...) with an ASGI server that sends lifespan events"
        raise NotStarted(f"not started: no run {where}; {how}, or use lifespan.run(...)")
    return found[-1]
