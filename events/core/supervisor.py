"""Keeps a loop running: after any error it waits and makes a NEW loop, until it is told to stop.

Rules
* A consumer or producer is used once. What failed is never started again; `make` builds another.
* The wait doubles from 0.5 s to 30 s, with jitter; after 60 s without an error it starts small again.
* Brokers that are away are an outage: one log line when it begins, and one when the loop works again. Any other error
  is one line each time; the traceback comes only with the first of its kind.
* Stop and cancellation end it at once, also in the middle of a wait.
* A loop that returns by itself is done, and so is its supervisor.
* What waiting does not cure (`waiting_helps`) is waited for like anything else, unless somebody is there to be told:
  then he is told once, and nothing is started again. That ends a worker; a web process serves on.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from events.core.errors import BrokerUnavailable, told, waiting_helps
from events.core.health import Fact, Part, PartState
from events.core.outage import OutageLog
from events.core.retry import BackOff, Random
from events.core.waiting import wait_at_most

log = logging.getLogger(__name__)

FIRST_WAIT_S, MOST_WAIT_S = 0.5, 30.0
HEALTHY_AFTER_S = 60.0

type Tell = Callable[[Exception], object]


class Loop(Protocol):
    """What can be kept running: an engine, or the relay. `works` is set once it does what it is for."""

    @property
    def works(self) -> asyncio.Event:
        """Set when `run` has what it needs: an outage before it is over."""

    async def run(self) -> None:
        """Run until `stop` is asked, or raise."""

    def stop(self) -> None:
        """Ask `run` to finish what it has begun and to return. Comes back at once."""

    def part(self, name: str) -> Part:
        """How it is, while it works: running, standing by, or waiting for something that is away."""


class Supervisor:
    """Keeps one loop running, and says how it is.

    `state` since `since` (on `clock`'s scale), `why` it is not running (empty when it is), `restarts` so far,
    `loop`: the one that runs now. An outage lasts until a loop works again, however often one is made in between.
    `clock`, `chance` and `wait` are for tests.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Loop],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Random = random.random,
        wait: Callable[[asyncio.Event, float], Awaitable[object]] = wait_at_most,
    ) -> None:
        self.name, self._make, self._clock, self._wait = name, make, clock, wait
        self.state: PartState = "starting"
        self.since = clock()
        self.why = ""
        self.restarts = 0
        self._made_at = self.since
        self.loop: Loop | None = None
        self._back_off = BackOff(FIRST_WAIT_S, MOST_WAIT_S, chance)
        self._kinds: set[type[Exception]] = set()
        self._outage = OutageLog(log, name, clock)

    async def run(self, stop: asyncio.Event, *, hopeless: Tell | None = None) -> None:
        """Keep it running until `stop` is set; then let it finish and return.

        `hopeless` is called, once, with an error that waiting does not cure; then it returns too.
        """
        try:
            while not stop.is_set() and (error := await self._run_once(stop)):
                if hopeless and not waiting_helps(error):
                    self._become("failed", told(error))
                    if not stop.is_set():  # else another part was the first to say so
                        hopeless(error)
                    return
                await self._wait_after(error, stop)
        finally:
            self.loop = None
            self._become("failed" if self.state == "failed" else "stopped", self.why)

    def part(self, name: str) -> Part:
        """How it is, under this name: of a loop that works, or waits by itself, what that says of itself."""
        own = self.loop.part(name) if self.loop and self.state in ("starting", "running") else None
        if own is None or (self.state == "starting" and own.state != "waiting"):
            own = Part(name, self.state, self.since, self.why)
        facts: dict[str, Fact] = {**own.facts, "restarts": self.restarts}
        return Part(name, own.state, max(own.since, self.since), own.why, facts)

    async def _run_once(self, stop: asyncio.Event) -> Exception | None:
        try:
            self._made_at = self._clock()
            self.loop = self._make()
            await self._run_until(stop, self.loop)
        except Exception as error:
            return error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return RuntimeError("the loop was cancelled, but nobody had asked for it")
        return None

    async def _run_until(self, stop: asyncio.Event, loop: Loop) -> None:
        running, stopping = asyncio.create_task(loop.run()), asyncio.create_task(stop.wait())
        working = asyncio.create_task(self._note_work(loop))
        try:
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._become("draining")
                loop.stop()
            await running
        finally:
            for task in (running, stopping, working):
                task.cancel()
            await asyncio.wait((running, stopping, working))

    async def _note_work(self, loop: Loop) -> None:
        await loop.works.wait()
        self._outage.ends()
        if self.state in ("starting", "waiting"):
            self._become("running")

    async def _wait_after(self, error: Exception, stop: asyncio.Event) -> None:
        if self._clock() - self._made_at >= HEALTHY_AFTER_S:
            self._back_off.reset()
        delay = self._back_off.next()
        if isinstance(error, BrokerUnavailable) and not stop.is_set():
            self._outage.goes_on(str(error))
        else:
            self._log(error, 0.0 if stop.is_set() else delay)
        self._become("waiting", told(error))
        self.restarts += not stop.is_set()
        await self._wait(stop, delay)

    def _log(self, error: Exception, delay: float) -> None:
        first = type(error) not in self._kinds and getattr(error, "traceback_helps", True)
        self._kinds.add(type(error))
        then = f"starting anew in {delay:.1f} s" if delay else "it was to stop anyway"
        log.error(
            "%s failed: %s: %s; %s", self.name, type(error).__name__, error, then, exc_info=error if first else None
        )

    def _become(self, state: PartState, why: str = "") -> None:
        if state != self.state:
            self.since = self._clock()
        self.state, self.why = state, why


async def supervise(name: str, make: Callable[[], Loop], *, stop: asyncio.Event) -> None:
    """Keep a loop running until `stop` is set, then let it finish. `name` is how the log calls it."""
    await Supervisor(name, make).run(stop)
