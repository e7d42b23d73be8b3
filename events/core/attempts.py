"""`Attempts`: how often each subscriber has failed on a record, and which of them are through with it.

Kept by the record's identity: when the engine lets go of a record, what was known about it goes with it. A record
that Kafka hands over again is a new one and starts anew.
"""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from events.core.broker import Record


@dataclass(slots=True)
class Progress:
    """One record. `failed`: failed attempts by subscriber. `through`: those that must not see it again."""

    failed: dict[str, int] = field(default_factory=dict)
    through: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Attempts:
    """The records that somebody failed on and that are still held by the engine."""

    _progress: WeakKeyDictionary[Record, Progress] = field(default_factory=WeakKeyDictionary)

    def __len__(self) -> int:
        return len(self._progress)

    def failed(self, record: Record, subscriber: str) -> int:
        """Count one more failed attempt. Returns how many there are now, from 1."""
        failed = self._of(record).failed
        failed[subscriber] = failed.get(subscriber, 0) + 1
        return failed[subscriber]

    def count(self, record: Record, subscriber: str) -> int:
        """How many attempts of this subscriber on this record have failed."""
        progress = self._progress.get(record)
        return progress.failed.get(subscriber, 0) if progress else 0

    def has_failed(self, record: Record, subscriber: str) -> bool:
        """Whether an attempt of this subscriber on this record has failed."""
        return self.count(record, subscriber) > 0

    def finish(self, record: Record, subscriber: str) -> None:
        """The subscriber is through with the record: handled it, or has it among the dead letters."""
        self._of(record).through.add(subscriber)

    def is_through(self, record: Record, subscriber: str) -> bool:
        """Whether the subscriber must not see the record again."""
        progress = self._progress.get(record)
        return progress is not None and subscriber in progress.through

    def _of(self, record: Record) -> Progress:
        return self._progress.setdefault(record, Progress())
