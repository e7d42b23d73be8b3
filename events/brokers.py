"""`Brokers`: which Kafka this process talks to: the one of the settings, or the embedded one, held open.

All resources of a run share one `Brokers`: the first that opens it opens the broker, the last that closes it lets go.

The embedded broker may die under its users. A new one takes its place, and Kafka clients that are open know only the
dead one's port: `until_replaced` ends their loops, so that new ones are built.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from events.conf import config
from events.core.broker import Consumer, Listener, Producer
from events.core.errors import BrokerUnavailable
from events.core.health import Part
from events.core.registry import Group, Subscriber, registry
from events.core.supervisor import Loop
from events.development import embedded_use
from events.embedded.client import Hold, aheld_open
from events.embedded.room import BrokerRoom
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.listener import KafkaListener
from events.kafka.positions import Positions
from events.kafka.producer import KafkaProducer

log = logging.getLogger("events.worker")

NO_TOPIC = "none are declared: contracts.py and subscribers.py are looked for in the apps of INSTALLED_APPS"


@dataclass(eq=False)
class Brokers:
    """How to reach Kafka from here. `hold` is None where it is a real one."""

    hold: Hold | None = None
    when_replaced: list[Callable[[], None]] = field(default_factory=list)
    """Called on the event loop when another broker is at `address`."""
    _replaced: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        """`host:port,host:port`. The embedded broker's may change."""
        return self.hold.address if self.hold else config().BOOTSTRAP_SERVERS

    def __str__(self) -> str:
        return f"the embedded broker at {self.address}, in memory, for development" if self.hold else self.address

    def connection(self) -> Connection:
        """Address and settings. Raises `ValueError` for settings that cannot work."""
        given = config()
        return Connection(self.address, given.PRODUCER, given.CONSUMER, embedded=self.hold is not None)

    def producer(self, purpose: str) -> Producer:
        """A new producer. `purpose`: a word for the brokers' logs."""
        return KafkaProducer(self.connection(), deadline_s=config().SEND_TIMEOUT, client_id=_client_id(purpose))

    def consumer(self, group: Group) -> Consumer:
        """A new member of the group."""
        prefix = config().PREFIX
        topics = [prefix + topic for topic in group.topics]
        return KafkaConsumer(self.connection(), prefix + group.name, topics, client_id=_client_id(group.name))

    def listener(self, subscriber: Subscriber) -> Listener:
        """A new listener for a broadcast subscriber."""
        topics = [config().PREFIX + topic for topic in subscriber.topics]
        name = f"Broadcast {subscriber.name}"
        return KafkaListener(self.connection(), topics, name=name, client_id=_client_id(subscriber.name))

    async def joins(self, groups: Collection[str]) -> None:
        """Tell the embedded broker of which groups, without prefix, this process is about to be a member."""
        if self.hold is not None:
            await asyncio.to_thread(self.hold.consumes, [config().PREFIX + group for group in groups])

    def room(self) -> BrokerRoom | None:
        """What keeps a relay from outrunning the consumers. None for a real Kafka, which keeps what it is given."""
        if (hold := self.hold) is None:
            return None
        return BrokerRoom(hold.topics, lambda: hold.groups, open_positions=lambda: Positions(self.connection()))

    def until_replaced(self, make: Callable[[], Loop]) -> Loop:
        """A loop that fails when the broker is replaced; who supervises it builds a new one."""
        return make() if self.hold is None else UntilReplaced(make(), self._replaced)

    def replace(self) -> None:
        """Another broker is at `address` now."""
        self._replaced.set()
        self._replaced = asyncio.Event()
        for call in self.when_replaced:
            call()


class UntilReplaced:
    """A loop on an embedded broker, and what ends it when that broker is gone."""

    def __init__(self, loop: Loop, replaced: asyncio.Event) -> None:
        self._loop, self._replaced = loop, replaced
        self.works = loop.works

    def stop(self) -> None:
        """Ask the loop to stop."""
        self._loop.stop()

    def part(self, name: str) -> Part:
        """What the loop says of itself."""
        return self._loop.part(name)

    async def run(self) -> None:
        """Run the loop. Raises `BrokerUnavailable` when its broker was replaced."""
        running = asyncio.create_task(self._loop.run())
        replaced = asyncio.create_task(self._replaced.wait())
        try:
            await asyncio.wait({running, replaced}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            self._loop.stop()
            await running
        finally:
            running.cancel()
            replaced.cancel()
            await asyncio.wait({running, replaced})
        raise BrokerUnavailable("the embedded broker was replaced by a new, empty one")


@dataclass
class Shared:
    """The `Brokers` of a run and how many use it."""

    brokers: Brokers
    stack: AsyncExitStack
    users: int = 0


_shared: dict[object, Shared] = {}


@asynccontextmanager
async def brokers_of(run: object) -> AsyncIterator[Brokers]:
    """The brokers of this run, opened by the first that asks.

    Raises `EmbeddedBrokerRefused` when no address is set and `DEBUG` is off, `BrokerUnavailable` when the embedded
    broker does not start, `ValueError` for arguments of aiokafka that cannot work. A real Kafka is not asked.
    """
    if run not in _shared:  # a run opens its resources one after the other
        stack = AsyncExitStack()
        _shared[run] = Shared(await stack.enter_async_context(_opened()), stack)
    shared = _shared[run]
    shared.users += 1
    try:
        yield shared.brokers
    finally:
        shared.users -= 1
        if not shared.users:
            del _shared[run]
            await shared.stack.aclose()


@asynccontextmanager
async def _opened() -> AsyncIterator[Brokers]:
    brokers = Brokers()
    async with AsyncExitStack() as stack:
        if config().embedded:
            loop = asyncio.get_running_loop()

            def replaced() -> None:
                loop.call_soon_threadsafe(brokers.replace)

            use = embedded_use(on_replaced=replaced)
            brokers.hold = await stack.enter_async_context(aheld_open(config().embedded_folder, use))
        brokers.connection()  # refuse wrong settings now, not when the first client is built
        announce(brokers)
        yield brokers


def announce(brokers: Brokers) -> None:
    """Say at start which broker and which topics. Each resource says by itself what it runs."""
    prefix = config().PREFIX
    log.info("Kafka: %s", brokers)
    log.info("Topics: %s", ", ".join(prefix + topic for topic in registry.topics()) or NO_TOPIC)


def known_groups() -> dict[str, Group]:
    """The groups of this project, by name without prefix."""
    return registry.groups(config().group)


def _client_id(purpose: str) -> str:
    return f"{config().source}-{purpose}-{os.getpid()}"
