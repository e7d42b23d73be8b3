"""`Handling`: the one function that an engine is given. Decode, run every subscriber, retry, bury; never raise.

    record ── decode ─┬─ unwanted ─────────────────────────────────────────▶ Done, counted
                      ├─ undecodable ── bury ──────────────────────────────▶ Done
                      └─ envelope ── each subscriber in turn:
                             returns                                       ▶ Done
                             Reject, or the last attempt failed ── bury    ▶ Done
                             Retry, any other error                        ▶ Again
                             the database does not answer, also to bury    ▶ Outage, no attempt spent

Rules
* With several subscribers, one that is through is not called again because another one failed.
* A batch that fails is handled again one event at a time, so that a poison record does not sink its neighbours; what
  failed once is not put into a batch again. After one that must wait, later events of its key wait too.
* An outage ends the call for all its records: whatever is left to do needs the database too.
* A cancellation goes through. A subscriber that raises one by itself has failed.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from events.core.attempts import Attempts
from events.core.broker import Record
from events.core.codec import Codec, Unwanted
from events.core.envelope import Envelope
from events.core.errors import EventsError, Reject, Retry, Undecodable
from events.core.outcome import DONE, Again, Outage, Outcome
from events.core.registry import EventClass, Group, Subscriber
from events.core.retry import RetryPolicy
from events.database import Threads
from events.dead_letters import bury, letter
from events.log_lines import log_batch_failed, log_buried, log_handled, log_retry, log_unwanted
from events.running import DatabaseAway, Running

logger = logging.getLogger("events.handling")


class Job(NamedTuple):
    """A record that is an event of ours."""

    record: Record
    envelope: Envelope

    @property
    def lane(self) -> object:
        """Equal for the records whose order must be kept."""
        record = self.record
        return record.place if record.key is None else (record.topic, record.partition, record.key)


class Away(EventsError):
    """Ends a call of `handle`: something that every record needs is away."""


type Waits = dict[Record, float]
"""Records that are to be handed over again, and in how many seconds."""


@dataclass
class Handling:
    """Handles the records of one group. `handle` is for the engine; `unwanted` counts what nobody wanted."""

    group: Group
    codec: Codec
    policy: RetryPolicy
    threads: Threads
    unwanted: int = 0
    attempts: Attempts = field(default_factory=Attempts)

    def __post_init__(self) -> None:
        self.name = self.codec.prefix + self.group.name
        self._running = Running(self.codec.prefix + self.group.declared, self.threads)
        wanted = (event for subscriber in self.group.subscribers for event in subscriber.events)
        # A record may be handed over again although one subscriber is through with it. Else there is nothing to note.
        self._comes_back = len(self.group.subscribers) > 1 or self.group.batch > 1
        self._wanted: Collection[EventClass] = frozenset(wanted)

    async def handle(self, records: Sequence[Record]) -> list[Outcome]:
        """One outcome a record, in order. Raises nothing but a cancellation."""
        try:
            waits = await self._handle(records)
        except Away as error:
            return [Outage(str(error))] * len(records)
        except Exception as error:
            logger.exception("a fault in events; nothing is lost, the records are handed over again")
            return [Outage(f"a fault in events: {type(error).__name__}")] * len(records)
        return [Again(waits[record]) if record in waits else DONE for record in records]

    async def _handle(self, records: Sequence[Record]) -> Waits:
        jobs = [job for record in records if (job := await self._decode(record))]
        waits: Waits = {}
        for subscriber in self.group.subscribers:
            mine = [job for job in jobs if self._is_for(subscriber, job)]
            await self._all(subscriber, mine, waits=waits)
        return waits

    def _is_for(self, subscriber: Subscriber, job: Job) -> bool:
        return type(job.envelope.event) in subscriber.events and not self.attempts.is_through(
            job.record, subscriber.name
        )

    async def _decode(self, record: Record) -> Job | None:
        try:
            decoded = self.codec.decode(record, self._wanted)
        except Undecodable as error:
            await self._bury(record, None, reason=error.reason, error=error)
        except Exception as error:  # what a class's own __post_init__ raises is not always a ValueError
            await self._bury(record, None, reason="schema", error=printable(error))
        else:
            if not isinstance(decoded, Unwanted):
                return Job(record, decoded)
            self.unwanted += 1
            log_unwanted(record, decoded.type)
        return None

    async def _all(self, subscriber: Subscriber, jobs: Sequence[Job], *, waits: Waits) -> None:
        held: dict[object, float] = {}
        if subscriber.batch and len(jobs) > 1:
            suspects = [job for job in jobs if self.attempts.has_failed(job.record, subscriber.name)]
            jobs = [job for job in jobs if not self.attempts.has_failed(job.record, subscriber.name)]
            await self._each(subscriber, suspects, waits=waits, held=held)
            ready = [job for job in jobs if job.lane not in held]
            if await self._together(subscriber, ready):
                jobs = [job for job in jobs if job.lane in held]
        await self._each(subscriber, jobs, waits=waits, held=held)

    async def _each(
        self, subscriber: Subscriber, jobs: Iterable[Job], *, waits: Waits, held: dict[object, float]
    ) -> None:
        for job in jobs:
            after_s = held.get(job.lane)
            if after_s is None:
                after_s = await self._one(subscriber, job)
            if after_s is not None:
                held[job.lane] = after_s
                waits[job.record] = max(after_s, waits.get(job.record, 0.0))

    async def _together(self, subscriber: Subscriber, jobs: Sequence[Job]) -> bool:
        """Handle a batch. False: it failed, and nothing of it is known to be done."""
        if len(jobs) < 2:
            return False
        try:
            await self._run(subscriber, jobs)
        except DatabaseAway as error:
            raise Away(str(error)) from error
        except Exception as error:
            records = [job.record for job in jobs]
            log_batch_failed(records, jobs[0].envelope, subscriber=subscriber.name, error=printable(error))
            return False
        return True

    async def _one(self, subscriber: Subscriber, job: Job) -> float | None:
        """Handle one event. Seconds to wait before the next attempt, or None when the subscriber is through."""
        try:
            await self._run(subscriber, [job])
        except DatabaseAway as error:
            raise Away(str(error)) from error
        except Exception as error:
            return await self._failed(subscriber, job, error=printable(error))
        return None

    async def _run(self, subscriber: Subscriber, jobs: Sequence[Job]) -> None:
        await self._running.run(subscriber, [job.envelope for job in jobs])
        for job in jobs:
            if self._comes_back:
                self.attempts.finish(job.record, subscriber.name)
            log_handled(job.record, job.envelope, subscriber=subscriber.name)

    async def _failed(self, subscriber: Subscriber, job: Job, *, error: Exception) -> float | None:
        attempt = self.attempts.failed(job.record, subscriber.name)
        after_s = None if isinstance(error, Reject) else self.policy.delay_after(attempt)
        if after_s is None:
            reason = "rejected" if isinstance(error, Reject) else "failed"
            await self._bury(job.record, job.envelope, subscriber=subscriber.name, reason=reason, error=error)
            self.attempts.finish(job.record, subscriber.name)
            return None
        if isinstance(error, Retry) and error.after_s is not None:
            after_s = min(max(error.after_s, 0.0), self.policy.max_delay_s)  # its whole partition waits with it
        log_retry(job.record, job.envelope, subscriber=subscriber.name, after_s=after_s, error=error)
        return after_s

    async def _bury(
        self, record: Record, envelope: Envelope | None, *, subscriber: str = "", reason: str, error: Exception
    ) -> None:
        row = letter(record, group=self.name, subscriber=subscriber, envelope=envelope)
        row.failed_with(error, reason=reason, attempts=self.attempts.count(record, subscriber))
        try:
            async with self.threads.borrowed() as thread:
                await thread.run(bury, row)
        except Exception as problem:
            raise Away(f"a dead letter cannot be written: {type(problem).__name__}: {problem}") from problem
        log_buried(record, envelope, subscriber=subscriber, reason=reason, error=error)


def printable(error: Exception) -> Exception:
    """The error, or one that says so when its text cannot be made: a dead letter must hold it, and a log line."""
    try:
        str(error)
    except Exception:
        return EventsError(f"{type(error).__qualname__}, whose text cannot be made").with_traceback(error.__traceback__)
    return error
