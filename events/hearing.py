"""`Hearing`: what becomes of a record that a broadcast subscriber hears. Decode, call, log; never raise, never again.

record ── decode ─┬─ unwanted, undecodable ── counted, one line for each kind
                  └─ envelope ── the subscriber ─┬─ returns
                                                 └─ raises, also Retry and Reject ── one line, dropped
"""

from collections import Counter
from dataclasses import dataclass, field

from events.core.broker import Record
from events.core.codec import Codec, Unwanted
from events.core.envelope import Envelope
from events.core.errors import Undecodable
from events.core.registry import Subscriber
from events.database import Threads
from events.handling import printable
from events.log_lines import log_dropped, log_handled, log_skipped
from events.running import Running


@dataclass
class Hearing:
    """Calls one broadcast subscriber. `threads`: where a sync one runs, with healthy database connections.

    `skipped` counts the records that were not for it: `unwanted`, `untyped`, `mode`, `json`, `schema`. `dropped` counts
    the events on which it failed.
    """

    subscriber: Subscriber
    codec: Codec
    threads: Threads
    dropped: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._running = Running("", self.threads)

    async def hear(self, record: Record) -> None:
        """Call the subscriber, once. Raises nothing but a cancellation."""
        if (envelope := self._decoded(record)) is None:
            return
        try:
            await self._running.run(self.subscriber, [envelope])
        except Exception as error:
            self.dropped += 1
            log_dropped(record, envelope, subscriber=self.subscriber.name, error=printable(error))
        else:
            log_handled(record, envelope, subscriber=self.subscriber.name)

    def _decoded(self, record: Record) -> Envelope | None:
        try:
            decoded = self.codec.decode(record, self.subscriber.events)
        except Undecodable as error:
            self._skip(record, error.reason, error=error)
        except Exception as error:  # what a class's own __post_init__ raises is not always a ValueError
            self._skip(record, "schema", error=printable(error))
        else:
            if not isinstance(decoded, Unwanted):
                return decoded
            self._skip(record, "unwanted")
        return None

    def _skip(self, record: Record, kind: str, *, error: Exception | None = None) -> None:
        self.skipped[kind] += 1
        if self.skipped[kind] == 1:
            log_skipped(record, subscriber=self.subscriber.name, kind=kind, error=error)
