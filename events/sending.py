"""`send` and its kin: an event straight to Kafka, and its place when the brokers have it.

`sending` holds a `Sender` open on the event loop; views in threads reach it from there.
"""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from events.conf import config
from events.core.broker import OutgoingRecord, Place, Producer, SendResult
from events.core.codec import Codec
from events.core.errors import BrokerError, BrokerUnavailable, NotStarted
from events.core.event import Event
from events.sender import Sender
from events.transactions import inside_aatomic


class DualWrite(RuntimeWarning):
    """`send` inside a transaction: the event goes out even if the transaction rolls back."""


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
