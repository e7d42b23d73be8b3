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
* A topic of which nothing goes at all is left out for a while (`Pauses`), so that it does not slow down the others:
  one that does not exist, one that refuses each record, one whose partition has no leader while other topics go. When
  the topic itself is the reason, its rows are not called refused and go as soon as it is mended.
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

from django.db import Error

from events import outbox
from events.core.broker import OutgoingRecord, Place, Producer, SendResult
from events.core.errors import (
    BatchRefused,
    BrokerError,
    BrokerUnavailable,
    LeaseLost,
    RecordRefused,
    TopicRefused,
    told,
    waiting_helps,
)
from events.core.health import Fact, Part
from events.core.nudge import listening
from events.core.outage import OutageLog
from events.core.pauses import MOST_S, Pauses
from events.core.retry import BackOff
from events.core.waiting import wait_at_most
from events.database import Thread, described
from events.lease import HeldLease
from events.models import OutboxRecord
from events.relay_options import RelayOptions, Room

BATCH_BYTES = 4 * 1024 * 1024
"""The most bytes of values that are read and sent at once."""

ROOM_INTERVAL_S = 0.1
"""Seconds between two questions whether there is room again."""

ROOM_PATIENCE_S = 10.0
"""Seconds that `run_once` waits for room."""

TOPIC_PAUSE_S = 10.0
"""The most seconds until a topic that did not exist is looked for again."""

log = logging.getLogger("events.relay")


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
        self._led, self._since, self._why = False, time.monotonic(), ""

    def part(self, name: str) -> Part:
        """How it is: it waits for what is away, stands by while another relay leads, or runs."""
        facts: dict[str, Fact] = {"sent": self.sent}
        if self.outage.why:
            return Part(name, "waiting", self.outage.since, self._why, facts)
        return Part(name, "running" if self._led else "standby", max(self._since, self.outage.since), "", facts)

    @property
    def leads(self) -> bool:
        """Whether this relay holds the lease."""
        return self._lease.left_s > 0

    async def run(self) -> None:
        """Relay until `stop`. Waits out every outage; what it raises is a defect, or is not cured by waiting."""
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

        Raises `BrokerUnavailable` when Kafka is away or has no room, `LeaseLost` when another relay is at work. With
        an empty outbox Kafka is not asked.
        """
        try:
            await self._lease.hold_at_last()
            while (room := await self._room_at_last()) and await self._send_some(room) is not None:
                await self._lease.hold_at_last()
            return self.sent
        finally:
            await self._close()

    async def _turn_or_wait(self) -> None:
        try:
            await self._turn()
        except (BrokerError, LeaseLost, Error) as error:
            await self._drop_producer()
            if not waiting_helps(error):
                raise
            self._why = f"the database: {told(error)}" if isinstance(error, Error) else told(error)
            self.outage.goes_on(described(error))
            await wait_at_most(self._stopping, self._back_off.next())
        else:
            self.works.set()
            self.outage.ends()
            self._back_off.reset()

    async def _turn(self) -> None:
        self._note(leads := await self._lease.hold())
        if not leads:
            await wait_at_most(self._stopping, self.options.interval_s)
            return
        self._nudged.clear()  # before the look: who writes after it nudges again
        if self._stopping.is_set():  # it came while the lease was asked for, and the line above has just wiped it out
            return
        if self._producer is None or self._producer.away:
            await self._lease.during(self._connect())
        room = await self._room_now()
        sent = await self._send_some(room) if room else 0
        if sent is None:
            await wait_at_most(self._nudged, min(self.options.interval_s, self._lease.due_s))
        elif not sent and not self._stopping.is_set():
            await wait_at_most(self._stopping, ROOM_INTERVAL_S)

    def _note(self, leads: bool) -> None:
        if leads != self._led:
            self._led, self._since = leads, time.monotonic()

    async def _room_now(self) -> int:
        return min(await self._room.room(), BATCH_BYTES) if self._room else BATCH_BYTES

    async def _room_at_last(self) -> int:
        """Bytes that may be sent now, waited for if need be; 0: nothing waits in the outbox."""
        deadline = time.monotonic() + ROOM_PATIENCE_S
        while not (room := await self._room_now()) and (waiting := await self._thread.run(outbox.waiting)):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"The broker has had no room for {ROOM_PATIENCE_S:g} s, {waiting} rows wait: its consumers are "
                    "behind, or do not run."
                )
            await asyncio.sleep(ROOM_INTERVAL_S)
            await self._lease.hold_at_last()
        return room

    async def _send_some(self, room: int) -> int | None:
        """Send a batch. How many records went; 0: all were refused; None: there was nothing to send."""
        rows = await self._thread.run(outbox.oldest, self.options.batch, room, without=self._pauses.topics())
        if not rows:
            return None
        before = self.sent
        await self._send(rows)
        return self.sent - before

    async def _send(self, rows: Sequence[OutboxRecord]) -> None:
        before, failed = self.sent, await self._send_and_delete(rows)
        for row, error in failed:
            if isinstance(error, TopicRefused):  # no doubt about that, also in company
                self._pause(row.topic, str(error), most_s=TOPIC_PAUSE_S)
        if failed and self.sent == before and all(_says_nobody_answers(error) for _, error in failed):
            raise failed[0][1]  # nobody answers: one by one would only take longer to say so
        left_out: set[str] = set()
        held_back: set[tuple[str, bytes]] = set()
        for row, error in failed:
            # Once left out, a topic stays out for this batch: its pause may end, and a later row overtake this one.
            left_out |= self._pauses.topics()
            if self._stopping.is_set():
                return
            key = None if row.key is None else (row.topic, bytes(row.key))
            if row.topic in left_out or key in held_back:
                continue
            for _, alone in [(row, error)] if len(rows) == 1 else await self._send_and_delete([row]):
                await self._keep(row, alone, others_go=self.sent > before)
                held_back |= {key} if key else set()

    async def _keep(self, row: OutboxRecord, error: BrokerError, *, others_go: bool) -> None:
        """Keep back a row that was sent alone, or its topic. Raises the error when it says nothing of either."""
        if isinstance(error, TopicRefused):
            self._pause(row.topic, str(error), most_s=TOPIC_PAUSE_S)
        elif isinstance(error, RecordRefused):
            await self._thread.run(outbox.refuse, row, str(error))
            if self._pauses.refused(row.topic):
                log.error("Kafka takes nothing of topic %s: it is left out, and tried again now and then.", row.topic)
        elif others_go:
            self._pause(row.topic, str(error))
        else:
            raise error

    def _pause(self, topic: str, why: str, *, most_s: float = MOST_S) -> None:
        if topic not in self._pauses.topics() and self._pauses.pause(topic, most_s):
            log.error("Topic %s is left out, and tried again at least every %.0f s: %s", topic, most_s, why)

    async def _send_and_delete(self, rows: Sequence[OutboxRecord]) -> list[tuple[OutboxRecord, BrokerError]]:
        """Send rows and delete those that Kafka has. Returns the rows left, each with what was wrong."""
        records = [row.record() for row in rows]
        results = await self._lease.during(self._hand_over(records))
        pairs = list(zip(rows, results, strict=True))
        failed: list[tuple[OutboxRecord, BrokerError]] = [
            (row, result) for row, result in pairs if not isinstance(result, Place)
        ]
        if failed:
            await self._drop_producer()
        await self._thread.run(outbox.delete, [row.id for row, result in pairs if isinstance(result, Place)])
        self._count(records, results)
        return failed

    async def _hand_over(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        producer = await self._connect()
        return await producer.send(records)

    async def _connect(self) -> Producer:
        """The producer, connected. So an outage is known, and ends, also while nothing is published."""
        if self._producer is None:
            self._producer = self._make_producer()
            await self._producer.start()
        elif self._producer.away:
            raise self._producer.away
        return self._producer

    def _count(self, records: Sequence[OutgoingRecord], results: Sequence[SendResult]) -> None:
        for record, result in zip(records, results, strict=True):
            if isinstance(result, Place):
                self.sent += 1
                if self._pauses.acked(record.topic):
                    log.info("Kafka takes records of topic %s again.", record.topic)
                if self._room:
                    self._room.sent(result, record.size)

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


def _says_nobody_answers(error: BrokerError) -> bool:
    return isinstance(error, BrokerUnavailable) and not isinstance(error, BatchRefused)
