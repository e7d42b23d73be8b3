"""What a process says of itself: its parts, each in a state, and what follows for those who probe it.

    a part       starting ─▶ running ◀─▶ waiting        standby: another process does the work
                    └───────────┴───────────┴─▶ draining ─▶ stopped        failed: it does not try again
    a process    not started, starting, running, degraded (a part waits), draining, failed

`running`, `standby` and `stopped` are green; `starting`, `waiting` and `failed` are red. Nothing here looks at a clock,
a broker or a database: times are given, and the answers come at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from events.core.errors import GaveUp

type PartState = Literal["starting", "running", "standby", "waiting", "draining", "stopped", "failed"]
type ProcessState = Literal["not started", "starting", "running", "degraded", "draining", "failed"]
type Fact = int | str | None
type Body = dict[str, object]

RED: frozenset[PartState] = frozenset({"starting", "waiting", "failed"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a process at one moment.

    `since`: when it entered its state, in seconds on the clock of whoever asks. `why` it is red, as one line. `facts`:
    what else is cheap to tell.
    """

    name: str
    state: PartState
    since: float
    why: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def is_red(self) -> bool:
        """Whether it does not do what it is for."""
        return self.state in RED

    @property
    def reason(self) -> str:
        """One line for people: which part, in what state, and why."""
        return f"{self.name} is {self.state}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process at one moment.

    `serves`: it answers HTTP for users, so an outage must not take it down. `missing`: why it has no run; empty when it
    has. `opening`, `draining`: the stage of the run. `problems`: what has ended the run, or broke at its end.
    """

    parts: Sequence[Part] = ()
    serves: bool = False
    missing: str = ""
    opening: bool = False
    draining: bool = False
    problems: Sequence[str] = ()

    @property
    def state(self) -> ProcessState:
        """The process in one word."""
        if self.missing:
            return "not started"
        if self._broken:
            return "failed"
        if self.draining:
            return "draining"
        if any(part.state == "waiting" for part in self.parts):
            return "degraded"
        return "starting" if self.opening or self._red else "running"

    @property
    def why(self) -> list[str]:
        """The reasons why it is not simply running, one line each."""
        stage = ["the resources of this process are being opened"] if self.opening else []
        return [*filter(None, [self.missing]), *self.problems, *stage, *(part.reason for part in self._red)]

    @property
    def live(self) -> bool:
        """Whether it can go on. What is away says nothing of that: to start anew would not bring it back.

        The one place for whatever else proves that a process is stuck.
        """
        return not self._broken

    @property
    def ready(self) -> bool:
        """Whether to send it work: a worker when all its parts do theirs, a web process whenever it can serve."""
        if self.missing or self.opening or self.draining or self.problems:
            return False
        return self.serves or not self._red

    @property
    def whole(self) -> bool:
        """Whether everything works. Stricter than `ready` for a web process: for rollouts and alarms."""
        return self.ready and not self._red

    @property
    def _red(self) -> list[Part]:
        return [] if self.draining else [part for part in self.parts if part.is_red]

    @property
    def _broken(self) -> bool:
        return bool(self.problems) or any(part.state == "failed" for part in self.parts)


class Patience:
    """Remembers since when each part is red without a break. `limit_s`: how long that is borne."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._red_since: dict[str, float] = {}

    def look(self, parts: Iterable[Part], now: float) -> GaveUp | None:
        """Look at the parts at a moment. The error for the first that was red for too long, if there is one."""
        red = {part.name: part for part in parts if part.is_red}
        self._red_since = {name: self._red_since.get(name, now) for name in red}
        for name, since in self._red_since.items():
            if now - since >= self._limit_s:
                return GaveUp(f'{red[name].reason}; given up after {self._limit_s:g} s (EVENTS["GIVE_UP"]).')
        return None


def body(process: Process, *, now: float, at: datetime) -> Body:
    """The process as JSON. `now`: the moment on the clock of the parts; `at`: the same moment, aware."""
    answer: Body = {"state": process.state, "why": process.why}
    return {**answer, "parts": {part.name: _told(part, now=now, at=at) for part in process.parts}}


def _told(part: Part, *, now: float, at: datetime) -> Body:
    for_s = max(now - part.since, 0.0)
    since = (at - timedelta(seconds=for_s)).isoformat(timespec="seconds")
    return {"state": part.state, "since": since, "for_s": round(for_s, 1), "why": part.why, **part.facts}
