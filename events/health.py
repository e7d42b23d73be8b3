"""`Health`: the parts of a run, for whoever asks how this process is, and what ends the process when nothing helps.

All resources of a run share one: each adds its parts. Whoever asks gets an answer at once, without a broker, a database
or a thread.
"""

import asyncio
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

from events.core.health import Body, Part, Patience, Process, body
from events.core.supervisor import Tell
from events.core.waiting import wait_at_most

LOOK_S = 1.0
"""The most seconds between two looks whether a part is red for too long."""

type Probe = Literal["live", "ready", ""]
"""The last part of the address: `/health/live`, `/health/ready`, `/health/`."""

NO_STORE = {"Cache-Control": "no-store"}


class AnyRun(Protocol):
    """What is asked of a `lifespan.Run`."""

    draining: asyncio.Event
    problems: list[str]
    stage: Literal["opening", "up", "closing", "ended"]

    def fail(self, exc: BaseException) -> None:
        """End the process, with an exit code that says so."""


class Health:
    """How one run is. `parts`: by name, how to ask each. `serves`: it is a web process, which an outage never ends.

    `watched`: somebody runs `watch` already; once is enough for all parts.
    """

    def __init__(self, run: AnyRun) -> None:
        self.parts: dict[str, Callable[[], Part]] = {}
        self.serves = self.watched = False
        self._run = weakref.proxy(run)  # it is the key to this: else neither would ever go
        self._failed = False

    @property
    def hopeless(self) -> Tell | None:
        """What to do with an error that waiting does not cure: end a worker; None: serve on, and say so."""
        return None if self.serves else self.fail

    def fail(self, error: Exception) -> None:
        """End the process. One cause is enough: what follows from it is not told again."""
        if not self._failed:
            self._failed = True
            self._run.fail(error)

    def process(self) -> Process:
        """The process at this moment."""
        return Process(
            parts=[ask() for ask in self.parts.values()],
            serves=self.serves,
            opening=self._run.stage == "opening",
            draining=self._run.draining.is_set(),
            problems=list(self._run.problems),
        )

    async def watch(self, limit_s: float) -> None:
        """End the process when a part is red for so long without a break. Returns when the run drains."""
        patience = Patience(limit_s)
        while not await wait_at_most(self._run.draining, min(LOOK_S, limit_s / 4)):
            if error := patience.look(self.process().parts, time.monotonic()):
                self.fail(error)


_of_runs: weakref.WeakKeyDictionary[AnyRun, Health] = weakref.WeakKeyDictionary()


def health_of(run: AnyRun) -> Health:
    """The health of a run; made when it is first asked for."""
    return _of_runs.setdefault(run, Health(run))


def answer(process: Process, probe: Probe) -> tuple[int, Body]:
    """The status, 200 or 503, and the body of an answer. The body is the same for each probe."""
    good = {"live": process.live, "ready": process.ready, "": process.whole}[probe]
    return 200 if good else 503, body(process, now=time.monotonic(), at=datetime.now(UTC))
