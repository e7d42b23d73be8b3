"""`aatomic`: a real database transaction around a block of async code.

Django's connections belong to threads, and asgiref sends the ORM calls of one context to one thread. So a transaction
that is entered and left through `sync_to_async` holds all async ORM calls in between:

    async with aatomic():                        in an async view: the thread of its request
        await Quote.objects.acreate(...)         in an atomic async subscriber: its database thread
        await apublish(...)                      elsewhere (`atomic=False`, a script): a thread of its own

Rules
* The exit is never abandoned: a task that is cancelled still waits until its transaction is rolled back, or the next
  user of the thread would write into it.
* Where nothing gives its task a thread, all tasks of the process share asgiref's one: what one of them writes would
  land in the transaction of another. So there the outermost block brings a thread and a connection of its own.
* A block nests in those of its own task, or of the task that started it. Two tasks of one view (`asyncio.gather`)
  share one thread and so one transaction: the second block would be a savepoint in the first one's, and go with it.
  So it is refused.
* Tasks that are started inside the block must end inside it. A block that one of them has left open is rolled back,
  and so is the one around it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.transaction import TransactionManagementError

from events.database import DatabaseThread

CROSSED = (
    "Another task has an aatomic block open on the same database thread, and this block would become a part of its "
    "transaction. Open one `async with aatomic()` around both tasks, or run them one after the other."
)
LEFT_OPEN = (
    "A task that was started inside this aatomic block still has a block of its own open. Both are rolled back: wait "
    "for the task inside the block."
)
GONE = "The aatomic block around this one ended first, and rolled this one back with it."


class Block(transaction.Atomic):
    """A `transaction.atomic` that stays open while its thread does other things."""


_open: ContextVar[tuple[Block, ...]] = ContextVar("kafka_events_aatomic", default=())


def inside_aatomic(alias: str) -> bool:
    """Whether this task, or the one that started it, is inside an `aatomic` block on this database."""
    return any(block.using == alias for block in _open.get())


class AsyncAtomic:
    """`transaction.atomic` as an async context manager, for one use."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._around: tuple[Block, ...] = ()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> None:
        self._around = _open.get()
        async with AsyncExitStack() as stack:
            if not self._around and not _has_a_thread():
                await stack.enter_async_context(_own_thread())
            await self._enter()
            self._stack = stack.pop_all()
        _open.set((*self._around, self._block))

    async def _enter(self) -> None:
        entering = asyncio.ensure_future(sync_to_async(enter)(self._block, self._around))
        try:
            await to_the_end(entering)
        except asyncio.CancelledError as error:
            if not entering.cancelled() and entering.exception() is None:
                await self._leave(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _open.set(self._around)
        async with self._stack:
            await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        await to_the_end(asyncio.ensure_future(sync_to_async(leave)(self._block, error)))


def _has_a_thread() -> bool:
    """Whether this task's ORM calls have a thread to themselves: a request's, a database thread, a sync caller's."""
    given = SyncToAsync.thread_sensitive_context.get(None)
    return given is not None or getattr(AsyncToSync.executors, "current", None) is not None


@asynccontextmanager
async def _own_thread() -> AsyncIterator[None]:
    thread = DatabaseThread("aatomic")
    try:
        async with thread.context():
            yield
    finally:
        thread.shutdown(wait=False)


def aatomic(using: str | None = None, *, savepoint: bool = True, durable: bool = False) -> AsyncAtomic:
    """A transaction for async code, as `transaction.atomic` is for the rest: nested ones are savepoints.

    It commits when the block ends, and rolls back when an exception or a cancellation leaves it.
    """
    return AsyncAtomic(Block(using or DEFAULT_DB_ALIAS, savepoint, durable))


def enter(block: Block, around: tuple[Block, ...]) -> None:
    """Begin it, in its thread. Raises `TransactionManagementError` when the open ones are not those `around` it."""
    if any(isinstance(one, Block) and one not in around for one in _blocks(block)):
        raise TransactionManagementError(CROSSED)
    block.__enter__()


def leave(block: Block, error: BaseException | None) -> None:
    """End it, in its thread. Raises `TransactionManagementError` when something else has ended before it, or has not.

    An error of the block itself is raised by the caller, and is not hidden by that.
    """
    blocks, wrong = _blocks(block), ""
    if block not in blocks:
        wrong = GONE
    else:
        while blocks[-1] is not block:
            wrong = LEFT_OPEN
            _end(blocks[-1], TransactionManagementError(LEFT_OPEN))
        _end(block, TransactionManagementError(wrong) if wrong else error)
    if wrong and error is None:
        raise TransactionManagementError(wrong)


def _blocks(block: Block) -> list[Any]:
    blocks: list[Any] = transaction.get_connection(block.using).atomic_blocks
    return blocks


def _end(block: Any, error: BaseException | None) -> None:
    block.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


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
