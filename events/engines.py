"""The engines of a process: for each group its options, how its records are handled, and on which threads."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from events.brokers import Brokers, known_groups
from events.conf import config
from events.core.codec import Codec
from events.core.engine import Engine, EngineOptions
from events.core.outcome import Handle
from events.core.registry import Group
from events.core.retry import RetryPolicy
from events.database import DatabaseThreads, database_threads
from events.handling import Handling

CONCURRENCY = 64
"""Calls at once in one group where `@subscriber` says nothing. Most then wait for a database thread."""

LEAVE_S = 7.0
"""Seconds to commit and leave the group after a drain. With `EVENTS["DRAIN"]` they must fit into `Lifespan`'s 20 s."""


@asynccontextmanager
async def handles_of(names: Iterable[str]) -> AsyncIterator[Sequence[tuple[Group, Handle]]]:
    """The groups and their handling, with threads that live as long as the block."""
    known = known_groups()
    async with database_threads() as shared, AsyncExitStack() as stack:
        handles = []
        for name in names:
            threads = await stack.enter_async_context(_threads_of(known[name], shared))
            handles.append((known[name], _handling(known[name], threads).handle))
        yield handles


def engine_of(brokers: Brokers, group: Group, *, handle: Handle) -> Engine:
    """A new engine, with a new member of the group."""
    given = config()
    options = EngineOptions(
        batch=group.batch,
        concurrency=group.concurrency or CONCURRENCY,
        buffer=given.BUFFER,
        commit_interval_s=given.COMMIT_INTERVAL,
        drain_s=given.DRAIN,
        stop_s=given.DRAIN + LEAVE_S,
    )
    return Engine(brokers.consumer(group), handle, options, name=f"Group {given.PREFIX}{group.name}")


def _handling(group: Group, threads: DatabaseThreads) -> Handling:
    given = config()
    policy = RetryPolicy(given.RETRY_ATTEMPTS, given.RETRY_DELAY, given.RETRY_MAX_DELAY)
    return Handling(group, Codec(given.source, given.PREFIX), policy, threads)


@asynccontextmanager
async def _threads_of(group: Group, shared: DatabaseThreads) -> AsyncIterator[DatabaseThreads]:
    """Its own threads for a sync subscriber without a transaction: what it waits for must not hold up the others."""
    if all(subscriber.atomic or subscriber.is_async for subscriber in group.subscribers):
        yield shared
    else:
        async with database_threads(group.concurrency or config().DATABASE_THREADS, group.name) as own:
            yield own
