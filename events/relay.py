"""`Relay`: takes rows from the outbox to Kafka, oldest first, and deletes them when Kafka has them.

    lease? ─▶ room? ─▶ oldest rows ─▶ send, wait for all acks ─▶ delete the acked ─▶ again
      no: look again later                 │ something else than acks
                                           ▼
                     close the producer hard, build a new one, send the rows left one by one:
                     what is refused alone is refused; what goes, goes; Kafka away ends the turn

Rules
* One relay at a time: the lease. While it waits for acks the lease is renewed; if that fails, the batch and its
  producer are dropped before the lease ends.
* Never a second producer before the first is closed, and never a producer used on after a bad result: one refused
  record spoils the sequence of its partition, and takes all records of its batch with it. So a bad result in company
  says nothing of a row, neither "refused" nor "unavailable"; only alone it does.
* A topic of which nothing goes at all is left out for a while (`Pauses`), so that it does not slow down the others.
* No transaction is open while Kafka is waited for. Killed between ack and delete, the next relay sends those rows
  again, with the same event ids; that is the one source of repeats, and the inbox drops them.
* Kafka or the database away is no failure of any row: wait, with back-off, and say so once when it begins and once
  when it ends.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from django.db import Error
from django.utils import timezone

from events import inbox, outbox
from events.conf import Config
from events.core.broker import OutgoingRecord, Place, Producer, SendResult
from events.core.errors import BrokerError, LeaseLost, RecordRefused
from events.core.nudge import listening
from events.core.outage import OutageLog
from events.core.pauses import Pauses
from events.core.retry import BackOff
from events.core.waiting import wait_at_most
from events.database import Thread
from events.lease import HeldLease
from events.models import OutboxRecord

BATCH_BYTES = 4 * 1024 * 1024
"""The most bytes of values that are read and sent at once."""

ROOM_INTERVAL_S = 0.1
"""Seconds between two questions whether there is room again."""

PRUNE_INTERVAL_S, PRUNE_CHUNK = 3600.0, 5000
"""Seconds between two prunings of the inbox, and the most rows of one transaction of it."""

log = logging.getLogger("events.relay")


class Room(Protocol):
    """How much more the broker can hold. Only the embedded one has such a limit."""

    async def room(self) -> int:
        """How many bytes may be sent now; 0: wait. Raises `BrokerUnavailable`."""

    def sent(self, place: Place, size: int) -> None:
        """A record of `size` bytes is in the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """`batch`: the most rows at once. `interval_s`: seconds between two looks at an empty outbox."""

    batch: int = 500
    interval_s: float = 1.0
    lease_s: float = 15.0
    inbox_days: int = 14
    back_off_first_s: float = 0.5
    back_off_most_s: float = 15.0

    @classmethod
    def of(cls, config: Config) -> "RelayOptions":
        """As the settings say."""
        return cls(
            batch=config.RELAY_BATCH,
            interval_s=config.RELAY_INTERVAL,
            lease_s=config.LEASE,
            inbox_days=config.INBOX_DAYS,
        )


class Relay:
    """One relay, for one run. `make_producer` builds a producer that nobody else uses; `thread` is its database thread.

    To be read at any time: `leads`, `sent` (records so far), `outage.why` (it waits; empty when it does not), `works`
    (set by the first turn without an outage).
    """

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        thread: Thread,
        *,
        options: RelayOptions | None = None,
        room: Room | None = None,
    ) -> None:
        self.options = options or RelayOptions()
        self.sent = 0
        self.outage = OutageLog(log, "The relay")
        self.works = asyncio.Event()
        self._make_producer, self._thread, self._room = make_producer, thread, room
        self._producer: Producer | None = None
        self._lease = HeldLease(thread, self.options.lease_s)
        self._back_off = BackOff(self.options.back_off_first_s, self.options.back_off_most_s)
        self._stopping, self._nudged = asyncio.Event(), asyncio.Event()
        self._pauses = Pauses()
        self._prune_at = 0.0

    @property
    def leads(self) -> bool:
        """Whether this relay holds the lease."""
        return self._lease.left_s > 0

    async def run(self) -> None:
        """Relay until `stop`. Waits out every outage; what it raises is a defect."""
        loop = asyncio.get_running_loop()
        try:
            with listening(lambda: self._wake(loop)):
                while not self._stopping.is_set():
                    await self._turn_or_wait()
        finally:
            await self._close()

    def stop(self) -> None:
        """Ask `run` to finish its batch, release the lease and return. Comes back at once."""
        self._stopping.set()
        self._nudged.set()

    async def run_once(self) -> int:
        """Send all that may go now, and return how many records that were.

        Raises `BrokerUnavailable` when Kafka is away, `LeaseLost` when another relay is at work.
        """
        try:
            await self._lease.hold_at_last()
            while await self._send_some() is not None:
                await self._lease.hold_at_last()
            return self.sent
        finally:
            await self._close()

    async def _turn_or_wait(self) -> None:
        try:
            await self._turn()
        except (BrokerError, LeaseLost, Error) as error:
            await self._drop_producer()
            self.outage.goes_on(str(error) or type(error).__name__)
            await wait_at_most(self._stopping, self._back_off.next())
        else:
            self.works.set()
            self.outage.ends()
            self._back_off.reset()

    async def _turn(self) -> None:
        if not await self._lease.hold():
            await wait_at_most(self._stopping, self.options.interval_s)
            return
        self._nudged.clear()  # before the look: who writes after it nudges again
        sent = await self._send_some()
        if sent is None:
            await self._prune()
            await wait_at_most(self._nudged, min(self.options.interval_s, self._lease.due_s))
        elif not sent and not self._stopping.is_set():
            await wait_at_most(self._stopping, ROOM_INTERVAL_S)

    async def _send_some(self) -> int | None:
        """Send a batch. How many records went; 0: no room, or all refused; None: there was nothing to send."""
        room = await self._room.room() if self._room else BATCH_BYTES
        if not room:
            return 0
        size, without = min(room, BATCH_BYTES), self._pauses.topics()
        rows = await self._thread.run(outbox.oldest, self.options.batch, size, without=without)
        if not rows:
            return None
        before = self.sent
        await self._send(rows)
        return self.sent - before

    async def _send(self, rows: Sequence[OutboxRecord]) -> None:
        left = rows if len(rows) == 1 else (await self._send_and_delete(rows))[0]
        held_back: set[tuple[str, bytes]] = set()
        for row in left:
            key = None if row.key is None else (row.topic, bytes(row.key))
            if row.topic in self._pauses.topics() or key in held_back:
                continue
            for error in (await self._send_and_delete([row]))[1]:
                await self._refuse(row, error)
                held_back |= {key} if key else set()

    async def _refuse(self, row: OutboxRecord, error: BrokerError) -> None:
        """Keep back a row that was sent alone. Raises the error when it says nothing of this row."""
        if not isinstance(error, RecordRefused):
            raise error
        await self._thread.run(outbox.refuse, row, str(error))
        if pause := self._pauses.refused(row.topic):
            log.error("Kafka takes nothing of topic %s: it is left out for %.0f s.", row.topic, pause)

    async def _send_and_delete(self, rows: Sequence[OutboxRecord]) -> tuple[list[OutboxRecord], Sequence[BrokerError]]:
        """Send rows and delete those that Kafka has. Returns the rows left, and what was wrong with them."""
        records = [row.record() for row in rows]
        results = await self._lease.during(self._hand_over(records))
        acked = [row.id for row, result in zip(rows, results, strict=True) if isinstance(result, Place)]
        errors = [result for result in results if not isinstance(result, Place)]
        if errors:
            await self._drop_producer()
        await self._thread.run(outbox.delete, acked)
        self._count(records, results)
        gone = set(acked)
        return [row for row in rows if row.id not in gone], errors

    async def _hand_over(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        if self._producer is None:
            self._producer = self._make_producer()
            await self._producer.start()
        return await self._producer.send(records)

    def _count(self, records: Sequence[OutgoingRecord], results: Sequence[SendResult]) -> None:
        for record, result in zip(records, results, strict=True):
            if isinstance(result, Place):
                self.sent += 1
                self._pauses.acked(record.topic)
                if self._room:
                    self._room.sent(result, record.size)

    async def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        before = timezone.now() - timedelta(days=self.options.inbox_days)
        if await self._thread.run(inbox.prune, before, PRUNE_CHUNK) < PRUNE_CHUNK:
            self._prune_at = time.monotonic() + PRUNE_INTERVAL_S
        else:
            self._nudged.set()  # there is more: go on, after a look into the outbox

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer:
            await producer.stop()

    async def _close(self) -> None:
        await self._drop_producer()
        if self.leads:
            await self._lease.release()

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._nudged.is_set():
            with suppress(RuntimeError):  # the loop has just closed: the next relay will look by itself
                loop.call_soon_threadsafe(self._nudged.set)
