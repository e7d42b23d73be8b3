"""The worker of a process: relay, engines and the producer of `send`, as resources that somebody holds open.

                    a web process: `Lifespan(application, sending, relaying, consuming, broadcasting)`
    one engine,     a command: `lifespan.run(*consumers([...]))`, `lifespan.run(*relay_alone())`
    three doors     tests: the parts themselves, over `events.testing`

Each resource takes the run that it belongs to and stops when that run drains. Kafka and the database may be away at
the start: everything here waits for them in the background, with back-off, and the web process serves meanwhile.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from events.brokers import Brokers, Role, brokers_of, known_groups
from events.conf import config
from events.core.broadcast import Broadcast
from events.core.broker import Record
from events.core.codec import Codec
from events.core.engine import Engine, EngineOptions
from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused
from events.core.outcome import Again, Done, Handle, Outcome
from events.core.registry import Group, Subscriber, registry
from events.core.retry import RetryPolicy
from events.core.supervisor import supervise
from events.database import DatabaseThreads, Thread, database_threads
from events.handling import Handling
from events.hearing import Hearing
from events.pruning import Pruning
from events.relay import Relay, RelayOptions
from events.sending import sending as sender_open
from lifespan import Resource, Run

log = logging.getLogger("events.worker")

CONCURRENCY = 64
"""Calls at once in one group where `@subscriber` says nothing. Most then wait for a database thread."""

LEAVE_S = 7.0
"""Seconds to commit and leave the group after a drain. With `EVENTS["DRAIN"]` they must fit into `Lifespan`'s 20 s."""

UP_S = 5.0
"""The most seconds that a start waits until broadcasts are heard. Kafka may be away: then it goes on without."""


def web_role() -> Role:
    """What a web process runs: see `EVENTS["RUN"]`. Broadcasts are heard whatever it says."""
    groups = tuple(sorted(known_groups())) if config().runs("consume") else ()
    return Role(relays=config().runs("relay"), consumes=groups, serves=True, hears=tuple(registry.broadcasts()))


@asynccontextmanager
async def sending(run: Run) -> AsyncIterator[None]:
    """`send` and `asend` in a web process. It connects at the first event, so Kafka may be away at the start."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(_sending(run, web_role()))
        except (EmbeddedBrokerRefused, BrokerUnavailable) as error:
            log.warning("send() does not work in this process: %s", error)
        yield


@asynccontextmanager
async def relaying(run: Run) -> AsyncIterator[None]:
    """The relay in a web process, if `EVENTS["RUN"]` says so."""
    role = web_role()
    async with AsyncExitStack() as stack:
        if role.relays:
            await stack.enter_async_context(_relaying(run, role))
        yield


@asynccontextmanager
async def consuming(run: Run) -> AsyncIterator[None]:
    """The subscribers of all groups in a web process, if `EVENTS["RUN"]` says so."""
    role = web_role()
    async with AsyncExitStack() as stack:
        if role.consumes:
            await stack.enter_async_context(_consuming(run, role))
        yield


@asynccontextmanager
async def broadcasting(run: Run) -> AsyncIterator[None]:
    """The broadcast subscribers in a web process, whatever `EVENTS["RUN"]` says. Nothing where none is declared.

    When it is up they hear, unless Kafka is away: then they begin at the end once it is back.
    """
    role = web_role()
    async with AsyncExitStack() as stack:
        if role.hears:
            await stack.enter_async_context(_broadcasting(run, role))
        yield


def relay_alone() -> Sequence[Resource]:
    """The resources of a process that only relays."""
    return [partial(_relaying, role=Role(relays=True))]


def consumers(groups: Iterable[str] = (), *, max_records: int | None = None) -> Sequence[Resource]:
    """The resources of a process that runs subscribers: those of these groups, or of all and the broadcast ones.

    `max_records`: the run stops when so many records are closed. Raises `LookupError` for an unknown
    group, and where no subscriber is declared.
    """
    known, broadcasts = known_groups(), tuple(registry.broadcasts())
    if not known and not broadcasts:
        raise LookupError("No subscriber is declared: subscribers.py is looked for in the apps of INSTALLED_APPS.")
    if unknown := sorted(set(groups) - known.keys()):
        raise LookupError(f"There is no group {unknown[0]!r}. The groups of this project: {', '.join(sorted(known)) or 'none'}.")
    hears = () if groups else broadcasts
    role = Role(consumes=tuple(sorted(groups or known)), hears=hears)
    consuming = [partial(_consuming, role=role, max_records=max_records)] if role.consumes else []
    return [partial(_sending, role=role), *consuming, *([partial(_broadcasting, role=role)] if hears else [])]


async def relay_once() -> int:
    """Send what waits in the outbox, and return how many records that were.

    Raises `BrokerUnavailable` when Kafka is away, `LeaseLost` while another relay is at work.
    """
    async with brokers_of(asyncio.current_task(), Role(relays=True)) as brokers, _relay_thread() as thread:
        return await _relay(brokers, thread).run_once()


@asynccontextmanager
async def _sending(run: Run, role: Role) -> AsyncIterator[None]:
    async with brokers_of(run, role) as brokers, sender_open(partial(brokers.producer, "send")) as sender:
        brokers.when_replaced.append(sender.renew)
        yield


@asynccontextmanager
async def _relaying(run: Run, role: Role) -> AsyncIterator[None]:
    async with brokers_of(run, role) as brokers, _relay_thread() as thread, asyncio.TaskGroup() as tasks:
        make = partial(brokers.until_replaced, partial(_relay, brokers, thread))
        tasks.create_task(supervise("The relay", make, stop=run.draining), name="relay")
        yield
        await run.draining.wait()


@asynccontextmanager
async def _consuming(run: Run, role: Role, *, max_records: int | None = None) -> AsyncIterator[None]:
    quota = Quota(max_records, run.stop) if max_records else None
    async with brokers_of(run, role) as brokers, _handles(role.consumes) as handles, asyncio.TaskGroup() as tasks:
        for group, handle in handles:
            make = partial(_engine, brokers, group, handle=quota.limiting(handle) if quota else handle)
            again = partial(brokers.until_replaced, make)
            tasks.create_task(supervise(f"Group {group.name}", again, stop=run.draining), name=f"group {group.name}")
        tasks.create_task(supervise("Pruning", partial(Pruning, config().INBOX_DAYS), stop=run.draining), name="prune")
        yield
        await run.draining.wait()


@asynccontextmanager
async def _broadcasting(run: Run, role: Role) -> AsyncIterator[None]:
    async with brokers_of(run, role) as brokers, AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        subscribers = [registry.broadcasts()[name] for name in role.hears]
        broadcasts = [await stack.enter_async_context(_broadcast(brokers, one)) for one in subscribers]
        for one in broadcasts:
            make = partial(brokers.until_replaced, one.listening)
            tasks.create_task(supervise(one.name, make, stop=run.draining), name=one.name)
        with suppress(TimeoutError):
            async with asyncio.timeout(UP_S):
                await asyncio.gather(*(one.tried.wait() for one in broadcasts))
        yield
        await run.draining.wait()


@asynccontextmanager
async def _broadcast(brokers: Brokers, subscriber: Subscriber) -> AsyncIterator[Broadcast]:
    """A broadcast subscriber, with a thread of its own in case that it is a sync one."""
    given = config()
    async with database_threads(1, subscriber.name) as threads:
        hearing = Hearing(subscriber, Codec(given.source, given.PREFIX), threads)
        yield Broadcast(f"Broadcast {subscriber.name}", partial(brokers.listener, subscriber), hearing.hear)


@asynccontextmanager
async def _handles(names: Iterable[str]) -> AsyncIterator[Sequence[tuple[Group, Handle]]]:
    """The groups and their handling, with threads that live as long as the block."""
    known = known_groups()
    async with database_threads() as shared, AsyncExitStack() as stack:
        handles = []
        for name in names:
            threads = await stack.enter_async_context(_threads_of(known[name], shared))
            handles.append((known[name], _handling(known[name], threads).handle))
        yield handles


def _relay(brokers: Brokers, thread: Thread) -> Relay:
    make_producer = partial(brokers.producer, "relay")
    return Relay(make_producer, thread, options=RelayOptions.of(config()), room=brokers.room())


@asynccontextmanager
async def _relay_thread() -> AsyncIterator[Thread]:
    async with database_threads(1, "relay") as threads, threads.borrowed() as thread:
        yield thread


def _engine(brokers: Brokers, group: Group, *, handle: Handle) -> Engine:
    given = config()
    options = EngineOptions(
        batch=group.batch,
        concurrency=group.concurrency or CONCURRENCY,
        buffer=given.BUFFER,
        commit_interval_s=given.COMMIT_INTERVAL,
        drain_s=given.DRAIN,
        stop_s=given.DRAIN + LEAVE_S,
    )
    return Engine(brokers.consumer(group), handle, options, name=given.PREFIX + group.name)


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
