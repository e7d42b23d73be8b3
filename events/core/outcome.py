"""What became of one record: the three answers of `handle`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from events.core.broker import Record


@dataclass(frozen=True, slots=True)
class Done:
    """Handled, skipped or buried: the record is closed."""


@dataclass(frozen=True, slots=True)
class Again:
    """Hand the record over again after `after_s` seconds. Later records of its lane wait, nobody else does."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that every record needs is away (the database): pause, probe, resume. No attempt was spent."""

    why: str


type Outcome = Done | Again | Outage
type Handle = Callable[[Sequence[Record]], Awaitable[list[Outcome]]]
"""The one function that an engine is given. One outcome a record, in order. It never raises."""

DONE = Done()
