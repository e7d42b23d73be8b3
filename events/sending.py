"""`send` and its kin: an event straight to Kafka, and its place when the brokers have it.

`sending` holds a `Sender` open on the event loop; views in threads reach it from there. All who send at the same time
share one batch, because a producer does one `send` at a time:

    asend ─┐                                   ┌─▶ each its places, or its error
    asend ─┼─▶ waiting ─▶ one producer.send ─▶─┤
    send  ─┘   (from a thread)                 └─▶ a bad result: a new producer

The relay's producer is another one: a record that is refused here must not spoil what is published.
"""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from events.conf import config
from events.core.broker import OutgoingRecord, Place, Producer, SendResult
from events.core.codec import Codec
from events.core.errors import BrokerError, BrokerUnavailable, NotStarted
from events.core.event import Event
from events.transactions import inside_aatomic


class DualWrite(RuntimeWarning):
    """`send` inside a transaction: the event goes out even if the transaction rolls back."""


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
        if not all(isinstance(result, Place) for result in results):
            await self._drop_producer()
        return results

    async def _try(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        try:
            if self._producer is None:
                self._producer = self._make_producer()
                await self._producer.start()
            return await self._producer.send(records)
        except Exception as error:
            unavailable = error if isinstance(error, BrokerUnavailable) else BrokerUnavailable(repr(error))
            return [unavailable] * len(records)

    async def _drop_producer(self) -> None:
        producer, self._producer, self._outdated = self._producer, None, False
        if producer:
            await producer.stop()


_open: list[Sender] = []


@asynccontextmanager
async def sending(make_producer: Callable[[], Producer]) -> AsyncIterator[Sender]:
    """Make `send` and `asend` work in this process while the block runs. Connects when the first event is sent."""
    sender = Sender(make_producer)
    _open.append(sender)
    try:
        yield sender
    finally:
        _open.remove(sender)
        await sender.close()


def send(event: Event) -> Place:
    """Send an event to Kafka, without a transaction. Returns its place when the brokers have it.

    Raises `NotStarted` when this process holds no producer, `BrokerUnavailable` when Kafka does not answer within
    `EVENTS["SEND_TIMEOUT"]` seconds, `RecordRefused` when it never will take this event, `InvalidEvent` for fields that
    do not fit, and `SynchronousOnlyOperation` on the thread of an event loop: there, `await asend(event)`.
    """
    return send_many([event])[0]


def send_many(events: Iterable[Event]) -> list[Place]:
    """`send` for many at once, in their order. Raises the first error; the others may have been sent, or not."""
    _demand_no_loop()
    sender, records, timeout = _sender(), _records(events), config().SEND_TIMEOUT
    _warn_of_dual_write(_in_transaction())
    answer = asyncio.run_coroutine_threadsafe(sender.send(records, timeout), sender.loop)
    try:
        return _places(answer.result(timeout + 1))
    except TimeoutError:
        answer.cancel()
        raise BrokerUnavailable("The event loop that sends does not answer: something blocks it.") from None


async def asend(event: Event) -> Place:
    """`send` for async code."""
    return (await asend_many([event]))[0]


async def asend_many(events: Iterable[Event]) -> list[Place]:
    """`send_many` for async code."""
    sender, records, timeout = _sender(), _records(events), config().SEND_TIMEOUT
    _warn_of_dual_write(inside_aatomic(config().DATABASE))
    if sender.loop is asyncio.get_running_loop():
        return _places(await sender.send(records, timeout))
    answer = asyncio.run_coroutine_threadsafe(sender.send(records, timeout), sender.loop)
    results: list[SendResult] = await asyncio.wrap_future(answer)
    return _places(results)


def _replaced(records: Sequence[OutgoingRecord]) -> list[SendResult]:
    error = BrokerUnavailable("The broker was replaced meanwhile. The event may have been sent, or not.")
    return [error] * len(records)


def _give(one: Waiting, results: list[SendResult]) -> None:
    if not one.results.done():
        one.results.set_result(results)


def _records(events: Iterable[Event]) -> list[OutgoingRecord]:
    codec = Codec(config().source, config().PREFIX)
    return [codec.encode(event) for event in events]


def _places(results: Sequence[SendResult]) -> list[Place]:
    for result in results:
        if isinstance(result, BrokerError):
            raise result
    return [result for result in results if isinstance(result, Place)]


def _sender() -> Sender:
    if not _open or _open[-1].process != os.getpid() or _open[-1].loop.is_closed():
        raise NotStarted(
            "send() found no producer in this process. Wrap the ASGI application: Lifespan(application, sending), with "
            "`sending` from events.worker; or use publish(), which needs none."
        )
    return _open[-1]


def _demand_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SynchronousOnlyOperation("send() would stop the event loop of this thread. Write `await asend(event)`.")


def _in_transaction() -> bool:
    # The transaction that a TestCase wraps around each test is not the user's.
    blocks = connections[config().DATABASE].atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def _warn_of_dual_write(inside: bool) -> None:
    if inside:
        warnings.warn(
            "send() inside a transaction: the event goes out even if the transaction rolls back. Use publish(), or "
            "send after the transaction.",
            DualWrite,
            skip_file_prefixes=(f"{os.path.dirname(__file__)}{os.sep}",),
        )
