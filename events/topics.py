"""The topics of this project against those of its Kafka: what differs, and creating what is missing.

The rooms behind `manage.py events_topics`. Nobody else creates a topic on a real Kafka.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from events.conf import Config, config
from events.core.registry import Registry, registry
from events.development import embedded_use
from events.embedded.client import aheld_open
from events.kafka import topics
from events.kafka.connection import Connection
from events.kafka.topics import Difference, Shape

__all__ = ["Difference", "Shape", "create_missing", "declared", "differences"]

SEEN_S, LOOK_S = 10.0, 0.2
"""The most seconds until a new topic is seen, and the seconds between two looks."""


def declared(known: Registry = registry) -> dict[str, Shape]:
    """Every topic of the registry as the settings want it, by its name on the wire."""
    given = config()
    return {given.PREFIX + topic: Shape(given.partitions(topic), _replicas(given, topic)) for topic in known.topics()}


async def differences() -> list[Difference]:
    """What differs, sorted by topic. Raises `BrokerUnavailable`."""
    async with _connection() as connection:
        return topics.plan(declared(), await topics.read(connection))


async def create_missing() -> tuple[list[Difference], list[Difference]]:
    """Create the missing topics, and wait until they are seen. Returns what differed before, and what differs after.

    Raises `BrokerUnavailable`, and `BrokerError` with the reason when Kafka would not create one.
    """
    async with _connection() as connection:
        before = topics.plan(declared(), await topics.read(connection))
        if missing := {one.topic: one.wanted for one in before if one.found is None}:
            await topics.create(connection, missing)
        after = await _after(connection) if missing else before
        return before, [one for one in after if one.found is not None]


async def _after(connection: Connection) -> list[Difference]:
    """What differs once all topics are seen. A broker is told of a new one late: until then it would be called missing
    again, and one that somebody else has just made, otherwise, would be called made."""
    give_up_at = time.monotonic() + SEEN_S
    while True:
        after = topics.plan(declared(), await topics.read(connection))
        if all(one.found for one in after) or time.monotonic() > give_up_at:
            return after
        await asyncio.sleep(LOOK_S)


def _replicas(given: Config, topic: str) -> int:
    return 1 if given.embedded else given.replication(topic)


@asynccontextmanager
async def _connection() -> AsyncIterator[Connection]:
    """Kafka by its address, or the embedded broker, held open meanwhile; that one creates the topics by itself."""
    given = config()
    if not given.embedded:
        yield Connection(given.BOOTSTRAP_SERVERS, given.PRODUCER, given.CONSUMER)
        return
    async with aheld_open(given.embedded_folder, embedded_use()) as hold:
        yield Connection(hold.address, given.PRODUCER, given.CONSUMER, embedded=True)
