"""`aatomic`: a real database transaction around a block of async code.

Django's connections belong to threads, and asgiref sends the ORM calls of one context to one thread. So a transaction
that is entered and left through `sync_to_async` holds all async ORM calls in between:

    async with aatomic():                        in an async view: the thread of its request
        await Quote.objects.acreate(...)         in an async subscriber: its database thread
        await apublish(...)

Two rules. The exit is never abandoned: a task that is cancelled still waits until its transaction is rolled back, or
the next user of the thread would write into it. Tasks that are started inside the block must end inside it.
"""

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

_depth: ContextVar[int] = ContextVar("kafka_events_aatomic", default=0)


def inside_aatomic() -> bool:
    """Whether this task, or the one that started it, is inside an `aatomic` block."""
    return _depth.get() > 0


class AsyncAtomic:
    """`transaction.atomic` as an async context manager, for one use."""

    def __init__(self, atomic: transaction.Atomic) -> None:
        self._atomic = atomic

    async def __aenter__(self) -> None:
        entering = asyncio.ensure_future(sync_to_async(self._atomic.__enter__)())
        try:
            await to_the_end(entering)
        except asyncio.CancelledError as error:
            if not entering.cancelled() and entering.exception() is None:
                await self._exit(type(error), error, error.__traceback__)
            raise
        _depth.set(_depth.get() + 1)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _depth.set(_depth.get() - 1)
        await self._exit(kind, error, traceback)

    async def _exit(self, *how: Any) -> None:
        await to_the_end(asyncio.ensure_future(sync_to_async(self._atomic.__exit__)(*how)))


def aatomic(using: str | None = None, *, savepoint: bool = True, durable: bool = False) -> AsyncAtomic:
    """A transaction for async code, as `transaction.atomic` is for the rest: nested ones are savepoints.

    It commits when the block ends, and rolls back when an exception or a cancellation leaves it.
    """
    return AsyncAtomic(transaction.atomic(using=using, savepoint=savepoint, durable=durable))


async def to_the_end[Result](running: asyncio.Future[Result]) -> Result:
    """Wait until it is done, however often this task is cancelled meanwhile; only then raise the cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return running.result()
    if not running.cancelled():
        running.exception()  # looked at, so that nobody reports it as forgotten
    raise cancelled
