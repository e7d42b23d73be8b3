"""The worker of a process: relay, engines and the producer of `send`, as resources that somebody holds open.

                    a web process: `Lifespan(application, sending, relaying, consuming, broadcasting)`
    one engine,     a command: `lifespan.run(*consumers([...]))`, `lifespan.run(*relay_alone())`
    three doors     tests: the parts themselves, over `events.testing`

Each resource takes the run that it belongs to and stops when that run drains. Kafka and the database may be away at
the start: everything here waits for them in the background, with back-off, and the web process serves meanwhile. What
waiting does not cure (`waiting_helps`) ends a command; a web process serves on and says so in its health.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial

from events.brokers import Brokers, brokers_of, known_groups
from events.conf import config
from events.core.broadcast import Broadcast
from events.core.codec import Codec
from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused, told
from events.core.health import Part, Process
from events.core.registry import Subscriber, registry
from events.core.supervisor import Loop, Supervisor, supervise
from events.database import Thread, database_threads
from events.engines import engine_of, handles_of
from events.health import Health, health_of
from events.health_port import answering_health
from events.hearing import Hearing
from events.pruning import Pruning
from events.quota import Quota
from events.relay import Relay
from events.relay_options import RelayOptions
from events.sending import sending as sender_open
from lifespan import NotStarted, Resource, Run, current

log = logging.getLogger("events.worker")

NOT_AGAIN = "It is a broadcast: it ends with the process, and the event does not come again."

UP_S = 5.0
"""The most seconds that a start waits until broadcasts are heard. Kafka may be away: then it goes on without."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a process may run. `consumes`: its groups, without prefix. `serves`: it is a web process. `hears`: the names
    of its broadcast subscribers. It runs what of that is opened."""

    relays: bool = False
    consumes: tuple[str, ...] = ()
    serves: bool = False
    hears: tuple[str, ...] = ()


def web_role() -> Role:
    """What a web process may run: see `EVENTS["RUN"]`. Broadcasts are heard whatever it says."""
    groups = tuple(sorted(known_groups())) if config().runs("consume") else ()
    return Role(relays=config().runs("relay"), consumes=groups, serves=True, hears=tuple(registry.broadcasts()))


@asynccontextmanager
async def sending(run: Run) -> AsyncIterator[None]:
    """`send` and `asend` in a web process. It connects in the background, so Kafka may be away at the start."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(_sending(run, web_role()))
        except (EmbeddedBrokerRefused, BrokerUnavailable) as error:
            log.warning("send() does not work in this process: %s", error)
            part = Part("send", "stopped", time.monotonic(), told(error))
            health_of(run).parts[part.name] = lambda: part
        yield


@asynccontextmanager
async def relaying(run: Run) -> AsyncIterator[None]:
    """The relay in a web process, if `EVENTS["RUN"]` says so."""
    role = web_role()
    async with _relaying(run, role) if role.relays else nullcontext():
        yield


@asynccontextmanager
async def consuming(run: Run) -> AsyncIterator[None]:
    """The subscribers of all groups in a web process, if `EVENTS["RUN"]` says so."""
    role = web_role()
    async with _consuming(run, role) if role.consumes else nullcontext():
        yield


@asynccontextmanager
async def broadcasting(run: Run) -> AsyncIterator[None]:
    """The broadcast subscribers in a web process, whatever `EVENTS["RUN"]` says. Nothing where none is declared.

    When it is up they hear, unless Kafka is away: then they begin at the end once it is back.
    """
    role = web_role()
    async with _broadcasting(run, role) if role.hears else nullcontext():
        yield


@asynccontextmanager
async def kafka_of(run: Run) -> AsyncIterator[Brokers]:
    """The Kafka of this process, for a client of your own: its `address`, which the embedded broker may change.

    `when_replaced`: a list of functions to call on the event loop when it has changed. Raises what `relaying` raises.
    """
    async with brokers_of(run) as brokers:
        yield brokers


def relay_alone() -> Sequence[Resource]:
    """The resources of a process that only relays."""
    return [partial(_relaying, role=Role(relays=True))]


def consumers(groups: Iterable[str] = (), *, max_records: int | None = None) -> Sequence[Resource]:
    """The resources of a process that runs subscribers: those of these groups, or of all and the broadcast ones.

    `max_records`: the run stops when so many records of groups are closed. Raises `LookupError` for an unknown group,
    where no subscriber is declared, and for `max_records` where none is in a group.
    """
    known, broadcasts = known_groups(), tuple(registry.broadcasts())
    if not known and not broadcasts:
        raise LookupError("No subscriber is declared: subscribers.py is looked for in the apps of INSTALLED_APPS.")
    if unknown := sorted(set(groups) - known.keys()):
        raise LookupError(
            f"There is no group {unknown[0]!r}. The groups of this project: {', '.join(sorted(known)) or 'none'}."
        )
    if max_records and not known:
        raise LookupError("Only broadcast subscribers are declared, and what these hear is not counted: it has no end.")
    hears = () if groups else broadcasts
    role = Role(consumes=tuple(sorted(groups or known)), hears=hears)
    consuming = [partial(_consuming, role=role, max_records=max_records)] if role.consumes else []
    return [partial(_sending, role=role), *consuming, *([partial(_broadcasting, role=role)] if hears else [])]


def probed(resources: Sequence[Resource], *, host: str, port: int | None) -> Sequence[Resource]:
    """The same resources, and before them one that answers `/health/` on a port of its own; None: none."""
    return resources if port is None else [partial(answering_health, host=host, port=port), *resources]


def process_here() -> Process:
    """How the process is that serves this event loop; without a run it says how to get one."""
    try:
        return health_of(current()).process()
    except NotStarted as error:
        return Process(missing=str(error))


async def relay_once() -> int:
    """Send what waits in the outbox, and return how many records that were.

    Raises `BrokerUnavailable` when Kafka is away, `LeaseLost` while another relay is at work.
    """
    async with brokers_of(asyncio.current_task()) as brokers, _relay_thread() as thread:
        return await _relay(brokers, thread).run_once()


@asynccontextmanager
async def _sending(run: Run, role: Role) -> AsyncIterator[None]:
    async with (
        brokers_of(run) as brokers,
        sender_open(partial(brokers.producer, "send")) as sender,
        _parts(run, role) as parts,
    ):
        log.info("This process sends.")
        brokers.when_replaced.append(sender.renew)
        parts.health.parts["send"] = partial(sender.part, "send", eager=role.serves)
        connecting = sender.keep_connected(run.draining, eager=role.serves, hopeless=parts.health.hopeless)
        parts.tasks.create_task(connecting, name="send")
        yield


@asynccontextmanager
async def _relaying(run: Run, role: Role) -> AsyncIterator[None]:
    async with brokers_of(run) as brokers, _relay_thread() as thread, _parts(run, role) as parts:
        log.info("This process runs the relay.")
        parts.keep("The relay", partial(brokers.until_replaced, partial(_relay, brokers, thread)))
        yield


@asynccontextmanager
async def _consuming(run: Run, role: Role, *, max_records: int | None = None) -> AsyncIterator[None]:
    quota = Quota(max_records, run.stop) if max_records else None
    async with brokers_of(run) as brokers, handles_of(role.consumes) as handles, _parts(run, role) as parts:
        await brokers.joins(role.consumes)
        log.info("This process runs the subscribers of %s.", ", ".join(role.consumes))
        for group, handle in handles:
            make = partial(engine_of, brokers, group, handle=quota.limiting(handle) if quota else handle)
            parts.keep(f"Group {group.name}", partial(brokers.until_replaced, make))
        pruning = supervise("Pruning", partial(Pruning, config().INBOX_DAYS), stop=run.draining)
        parts.tasks.create_task(pruning, name="prune")
        yield


@asynccontextmanager
async def _broadcasting(run: Run, role: Role) -> AsyncIterator[None]:
    async with brokers_of(run) as brokers, AsyncExitStack() as stack, _parts(run, role) as parts:
        log.info("This process hears broadcasts: %s.", ", ".join(role.hears))
        subscribers = [registry.broadcasts()[name] for name in role.hears]
        broadcasts = [await stack.enter_async_context(_broadcast(brokers, one)) for one in subscribers]
        for one in broadcasts:
            parts.keep(one.name, partial(brokers.until_replaced, one.listening))
        with suppress(TimeoutError):
            async with asyncio.timeout(UP_S):
                await asyncio.gather(*(one.tried.wait() for one in broadcasts))
        yield


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of one resource, all in one task group, and where they are made known."""

    run: Run
    health: Health
    tasks: asyncio.TaskGroup

    def keep(self, name: str, make: Callable[[], Loop]) -> None:
        """Keep a loop running until the run drains. `name` is how the log calls it; health drops the capital."""
        supervisor, short = Supervisor(name, make), name.removeprefix("The ")
        short = short[0].lower() + short[1:]
        self.health.parts[short] = partial(supervisor.part, short)
        self.tasks.create_task(supervisor.run(self.run.draining, hopeless=self.health.hopeless), name=short)


@asynccontextmanager
async def _parts(run: Run, role: Role) -> AsyncIterator[_Parts]:
    """A place for the parts of a resource. It ends when the run drains and they have ended."""
    health = health_of(run)
    health.serves = role.serves
    async with asyncio.TaskGroup() as tasks:
        if (limit_s := config().GIVE_UP) and not health.watched:
            health.watched = True
            tasks.create_task(health.watch(limit_s), name="give up")
        yield _Parts(run, health, tasks)
        await run.draining.wait()


@asynccontextmanager
async def _broadcast(brokers: Brokers, subscriber: Subscriber) -> AsyncIterator[Broadcast]:
    """A broadcast subscriber, with a thread of its own in case that it is a sync one."""
    given = config()
    async with database_threads(1, subscriber.name, left=NOT_AGAIN) as threads:
        hearing = Hearing(subscriber, Codec(given.source, given.PREFIX), threads)
        yield Broadcast(f"Broadcast {subscriber.name}", partial(brokers.listener, subscriber), hearing.hear)


def _relay(brokers: Brokers, thread: Thread) -> Relay:
    make_producer = partial(brokers.producer, "relay")
    return Relay(make_producer, thread, options=RelayOptions.of(config()), room=brokers.room())


@asynccontextmanager
async def _relay_thread() -> AsyncIterator[Thread]:
    async with database_threads(1, "relay") as threads, threads.borrowed() as thread:
        yield thread
