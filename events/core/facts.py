"""`Facts`: what an engine says of itself, for whoever judges its health. Written by the engine alone."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from events.core.broker import Partition
from events.core.outage import OutageLog

log = logging.getLogger(__name__)

type EngineState = Literal["new", "starting", "running", "draining", "stopped", "failed"]


@dataclass(slots=True)
class Facts:
    """States with names, and counts since the engine was built. Times are on `clock`'s scale, in seconds.

    `handled`: records closed. `again`, `outage`: records that were not, by the reason. `lost`: how often the group
    threw us out. `progress`: when a record was last closed. `outages`: the partitions that wait for something that is
    away, with what was said of it.
    """

    name: str = ""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    state: EngineState = "new"
    since: float = 0.0
    handled: int = 0
    again: int = 0
    outage: int = 0
    lost: int = 0
    progress: float | None = None
    outages: dict[Partition, str] = field(default_factory=dict)
    _outage: OutageLog = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._outage = OutageLog(log, self.name or "An engine", self.clock)

    def become(self, state: EngineState) -> None:
        """Enter a state."""
        self.state, self.since = state, self.clock()

    def closed(self, records: int) -> None:
        """So many records were closed."""
        self.handled += records
        if records:
            self.progress = self.clock()

    def lose(self, why: str) -> None:
        """The group has thrown us out."""
        self.lost += 1
        log.warning("%s: lost its partitions: %s", self.name, why)

    def away(self, partition: Partition, why: str) -> None:
        """Something that this partition needs is away. One log line in all, for whatever partition it was first."""
        self._outage.goes_on(why)
        self.outages[partition] = why

    def back(self, partition: Partition) -> None:
        """A call of this partition met no outage. One log line when no other waits any more."""
        self.outages.pop(partition, None)
        if not self.outages:
            self._outage.ends()

    def forget(self, partition: Partition) -> None:
        """The partition is not ours any more. That is not the end of an outage."""
        self.outages.pop(partition, None)
