"""`Sender`: one producer for all who send from a process, on the event loop that holds it open.

All who send at the same time share one batch, because a producer does one `send` at a time:

    asend ─┐                                   ┌─▶ each its places, or its error
    asend ─┼─▶ waiting ─▶ one producer.send ─▶─┤
    send  ─┘   (from a thread)                 └─▶ a bad result: a new producer

The relay's producer is another one: a record that is refused here must not spoil what is published.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from events.conf import config
from events.core.broker import OutgoingRecord, Place, Producer, SendResult
from events.core.errors import BatchRefused, BrokerUnavailable, ClientRefused, told, waiting_helps
from events.core.health import Part, PartState
from events.core.outage import OutageLog
from events.core.retry import BackOff
from events.core.supervisor import FIRST_WAIT_S, MOST_WAIT_S, Tell
from events.core.waiting import wait_at_most

LOOK_S = 1.0
"""Seconds between two looks whether the brokers still answer."""

log = logging.getLogger("events.sending")

STOPPING = "This process is stopping: nothing was sent."


@dataclass(slots=True)
class Waiting:
    """The records of one call, and where their results go."""

    records: Sequence[OutgoingRecord]
    results: asyncio.Future[list[SendResult]]


class Sender:
    """One producer for all who send from this process. It is built when first needed, and anew after a bad result."""

    def __init__(self, make_producer: Callable[[], Producer]) -> None:
        self.loop = asyncio.get_running_loop()
        self.process = os.getpid()
        self._make_producer = make_producer
        self._producer: Producer | None = None
        self._waiting: list[Waiting] = []
        self._at_work: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[list[SendResult]] | None = None
        self._outdated = False
        self._closed = False
        self._error: BrokerUnavailable | None = None
        self._why = ""
        self._connected = False
        self._outage = OutageLog(log, "send()")
        self._since = time.monotonic()

    async def send(self, records: Sequence[OutgoingRecord], within_s: float) -> list[SendResult]:
        """Send records and wait for their results. Raises `BrokerUnavailable` when they do not come in time."""
        if self._closed:
            raise BrokerUnavailable(STOPPING)
        waiting = Waiting(records, self.loop.create_future())
        self._waiting.append(waiting)
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(within_s):
                return await waiting.results
        except TimeoutError:
            raise BrokerUnavailable(
                f"Kafka did not answer within {within_s:g} s. The event may have been sent, or not."
            ) from None

    def part(self, name: str, *, eager: bool) -> Part:
        """How it is: it waits while Kafka is away. `eager`: before it has connected it is starting."""
        if self._error:
            return Part(name, "waiting", self._outage.since, self._why)
        state: PartState = "running" if self._connected or not eager else "starting"
        return Part(name, state, max(self._since, self._outage.since))

    async def keep_connected(self, stop: asyncio.Event, *, eager: bool, hopeless: Tell | None = None) -> None:
        """Until `stop`, connect in the background when Kafka was away, and with `eager` from the start.

        So an outage ends by itself, not at the next event. `hopeless` is called with an error that waiting does not
        cure, and then nothing is tried any more.
        """
        back_off = BackOff(FIRST_WAIT_S, MOST_WAIT_S)
        while not stop.is_set():
            if eager or self._error:
                with suppress(BrokerUnavailable):
                    await self.send([], config().SEND_TIMEOUT + 1)
            if self._error and hopeless and not waiting_helps(self._error):
                hopeless(self._error)
                return
            if not self._error:
                back_off.reset()
            await wait_at_most(stop, back_off.next() if self._error and not self._producer else LOOK_S)

    def renew(self) -> None:
        """Kafka is another one now: give up what is on its way, and build a new producer for the next event."""
        self._outdated = True
        if self._trying:
            self._trying.cancel()

    async def close(self) -> None:
        """Finish what is on its way, refuse what is not, close the producer."""
        self._closed = True
        left, self._waiting = self._waiting, []
        for one in left:
            _give(one, [BrokerUnavailable(STOPPING)] * len(one.records))
        if self._at_work:
            await self._at_work
        await self._drop_producer()

    async def _work(self) -> None:
        while self._waiting:
            together = [one for one in self._waiting if not one.results.done()]  # done: its caller has given up
            self._waiting = []
            await self._send_together(together)

    async def _send_together(self, together: Sequence[Waiting]) -> None:
        results = await self._hand_over([record for one in together for record in one.records])
        alone = len(results) == 1
        for one in together:
            own, results = results[: len(one.records)], results[len(one.records) :]
            _give(one, own if alone else await self._again_one_by_one(one, own))

    async def _again_one_by_one(self, one: Waiting, results: Sequence[SendResult]) -> list[SendResult]:
        # A refused record takes all records of its batch with it: only alone each gets an answer of its own.
        answers: list[SendResult] = []
        for record, result in zip(one.records, results, strict=True):
            failed = answers and not isinstance(answers[-1], Place)
            if isinstance(result, Place) or failed or one.results.done():
                answers.append(result)
            else:
                answers += await self._hand_over([record])
        return answers

    async def _hand_over(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        if self._outdated:
            await self._drop_producer()
        self._trying = asyncio.create_task(self._try(records))
        await asyncio.wait({self._trying})
        results = await self._trying if not self._trying.cancelled() else _replaced(records)
        if (self._error and self._error is not self._away) or not all(isinstance(one, Place) for one in results):
            await self._drop_producer()
        return results

    async def _try(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        try:
            producer = await self._connect()
            if not records:  # somebody looks how it is; the producer tries again by itself
                self._note(producer.away, told(producer.away) if producer.away else "")
                return []
            results = await producer.send(records)
        except Exception as error:
            unavailable = error if isinstance(error, BrokerUnavailable) else _unforeseen(error)
            # Of an error that is not ours only the name, as everywhere in health: a token provider may name its secret.
            self._note(unavailable, told(error if waiting_helps(error) else unavailable))
            return [unavailable] * len(records)
        away = [one for one in results if isinstance(one, BrokerUnavailable) and not isinstance(one, BatchRefused)]
        if away and len(away) == len(results):
            self._note(away[0], told(away[0]))
        else:  # in other company it is held back only
            self._note(None)
        return results

    @property
    def _away(self) -> BrokerUnavailable | None:
        return self._producer.away if self._producer else None

    async def _connect(self) -> Producer:
        """The producer. One that is away has patience, as long as `send` promises; then a new one fails at once."""
        if self._away and self._outage.why and time.monotonic() - self._outage.since >= config().SEND_TIMEOUT:
            await self._drop_producer()
        if self._producer is None:
            self._producer = self._make_producer()
            await self._producer.start()
        return self._producer

    def _note(self, error: BrokerUnavailable | None, why: str = "") -> None:
        self._error, self._why = error, why
        if error:
            self._outage.goes_on(str(error))
            return
        self._outage.ends()
        if not self._connected:
            self._connected, self._since = True, time.monotonic()

    async def _drop_producer(self) -> None:
        producer, self._producer, self._outdated = self._producer, None, False
        if producer:
            await producer.stop()


def _unforeseen(error: Exception) -> BrokerUnavailable:
    return BrokerUnavailable(repr(error)) if waiting_helps(error) else ClientRefused(str(error))


def _replaced(records: Sequence[OutgoingRecord]) -> list[SendResult]:
    error = BrokerUnavailable("The broker was replaced meanwhile. The event may have been sent, or not.")
    return [error] * len(records)


def _give(one: Waiting, results: list[SendResult]) -> None:
    if not one.results.done():
        one.results.set_result(results)
