"""`Quota`: lets a process handle so many records and no more, for `events_consume --max-messages`."""

from collections.abc import Callable, Sequence

from events.core.broker import Record
from events.core.outcome import Again, Done, Handle, Outcome


class Quota:
    """Lets exactly so many records be closed, over all groups, then calls `reached`."""

    def __init__(self, records: int, reached: Callable[[], None]) -> None:
        self._free, self._left, self._reached = records, records, reached

    def limiting(self, handle: Handle) -> Handle:
        """The same function, within the quota. What does not fit is handed over again, for as long as it runs."""

        async def handle_some(records: Sequence[Record]) -> list[Outcome]:
            taken = records[: self._free]
            self._free -= len(taken)
            outcomes = await handle(taken) if taken else []
            self._count(outcomes)
            return [*outcomes, *(Again(1.0) for _ in records[len(taken) :])]

        return handle_some

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        closed = sum(isinstance(outcome, Done) for outcome in outcomes)
        self._free += len(outcomes) - closed
        self._left -= closed
        if closed and self._left <= 0:
            self._reached()
