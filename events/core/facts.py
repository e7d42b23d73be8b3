"""`Facts`: what an engine says of itself, for whoever judges its health. Written by the engine alone."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from events.core.broker import Partition
from events.core.health import Fact, Part
from events.core.outage import OutageLog

log = logging.getLogger(__name__)

AWAY = "what its subscribers need is away, most likely the database; the log says more"

type EngineState = Literal["new", "starting", "running", "draining", "stopped", "failed"]


@dataclass(slots=True)
class Facts:
    """States with names, and counts since the engine was built. Times are on `clock`'s scale, in seconds.

    `handled`: records closed. `again`, `outage`: records that were not, by the reason. `lost`: how often the group
    threw us out. `progress`: when a record was last closed. `outages`: the partitions that wait for something that is
    away, with what was said of it; `handling` sums them up. `kafka`: whether the brokers themselves answer.
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
    handling: OutageLog = field(init=False, repr=False)
    kafka: OutageLog = field(init=False, repr=False)

    def __post_init__(self) -> None:
        who = self.name or "An engine"
        self.handling, self.kafka = OutageLog(log, who, self.clock), OutageLog(log, who, self.clock)

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
        self.handling.goes_on(why)
        self.outages[partition] = why

    def back(self, partition: Partition) -> None:
        """A call of this partition met no outage. One log line when no other waits any more."""
        self.outages.pop(partition, None)
        if not self.outages:
            self.handling.ends()

    def reach(self, error: str) -> None:
        """The brokers do not answer; `error` says how. Empty: they do, or do again."""
        if error:
            self.kafka.goes_on(error)
        else:
            self.kafka.ends()

    def part(self, name: str, **told: Fact) -> Part:
        """How it is while it works: it waits while Kafka, or what its subscribers need, is away."""
        facts = {**told, "handled": self.handled}
        if self.kafka.why:
            return Part(name, "waiting", self.kafka.since, self.kafka.why, facts)
        if self.handling.why and self.outages:  # its own words may come from the database
            return Part(name, "waiting", self.handling.since, AWAY, facts)
        return Part(name, "running", max(self.since, self.kafka.since, self.handling.since), "", facts)

    def forget(self, partition: Partition) -> None:
        """The partition is not ours any more. That is not the end of an outage, but with none left nothing waits."""
        self.outages.pop(partition, None)
