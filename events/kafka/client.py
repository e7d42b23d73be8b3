"""What consumers and producers have in common: aiokafka's client, made safe.

Three things are wrong with it for us. It asks for metadata in a way that lets the brokers create a topic. While a
partition has no leader it asks without a pause: 3,400 to 7,000 log records a second and half a core (measured;
with half a second between two requests 3 records a second and 2 %). And while it has no topic of its own, as a producer
that has sent nothing, it asks for those of the whole cluster, every 30 s.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any

from aiokafka.protocol.metadata import MetadataRequest

from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka import private
from events.kafka.failures import APPLY, described
from events.kafka.reach import watch

log = logging.getLogger(__name__)

METADATA_PAUSE_S = 0.5
LOOKS = 3
"""How often a topic is looked for before it counts as missing: a new one takes a moment to reach every broker."""


def prepare(client: Any, *, told: Callable[[BrokerUnavailable | None], None] | None = None) -> None:
    """Make an `AIOKafkaClient` safe. Call it before the client starts. `told`: see `events.kafka.reach`.

    Without `told` it is one for questions, which may also be about all topics.
    """
    private.require(client, private.CLIENT)
    watch(client, told)
    client._get_conn = partial(_connection, client._get_conn, of_all=None if told is None else ())
    client.force_metadata_update = spaced = _Spaced(client.force_metadata_update)
    client.close = partial(_close, client, client.close, spaced=spaced)


async def _connection(get: Any, *arguments: Any, of_all: Collection[str] | None, **options: Any) -> Any:
    connection = await get(*arguments, **options)
    if connection is not None and not isinstance(connection.send, partial):
        private.require(connection, private.CONNECTION)
        connection.send = partial(_send, connection.send, of_all=of_all)
    return connection


def _send(send: Any, request: Any, *arguments: Any, of_all: Collection[str] | None, **options: Any) -> Any:
    """`of_all`: the topics to ask for where aiokafka asks for all; None: all."""
    if isinstance(request, MetadataRequest):
        topics = of_all if request._topics is None else request._topics
        request = MetadataRequest(topics, allow_auto_topic_creation=False)
    return send(request, *arguments, **options)


class _Spaced:
    """`force_metadata_update` with a pause between two requests. Who asks meanwhile shares the next answer.

    After `close` the answer is False: nobody is left who would complete a request, and who waits for one hangs.
    """

    def __init__(self, update: Any) -> None:
        self._update, self._allowed_at = update, 0.0
        self._answer: asyncio.Future[Any] | None = None
        self._closed = False

    def close(self) -> None:
        self._closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(False)

    def __call__(self) -> asyncio.Future[Any]:
        if self._answer is None or self._answer.done():
            loop = asyncio.get_running_loop()
            self._answer = loop.create_future()
            if self._closed:
                self._answer.set_result(False)
            else:
                loop.call_at(max(self._allowed_at, loop.time()), self._ask, loop, self._answer)
        return asyncio.shield(self._answer)

    def _ask(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]) -> None:
        if self._closed:
            return
        self._allowed_at = loop.time() + METADATA_PAUSE_S
        self._update().add_done_callback(partial(_pass_on, answer))


def _pass_on(answer: asyncio.Future[Any], update: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_result(not update.cancelled() and update.exception() is None and update.result())


async def missing_topics(client: Any, topics: Collection[str]) -> dict[str, str]:
    """The topics that cannot be used, each with a sentence that says why. Raises `BrokerUnavailable` without answer."""
    for _ in range(LOOKS):
        missing = [topic for topic in topics if client.cluster.partitions_for_topic(topic) is None]
        if not missing:
            return {}
        for topic in missing:
            client.add_topic(topic)
        if not await client.force_metadata_update():
            raise BrokerUnavailable("The brokers do not say which topics there are.")
    unknown = [topic for topic in missing if client.cluster.partitions_for_topic(topic) is None]
    return {topic: _why_missing(topic, client.cluster.unauthorized_topics) for topic in unknown}


async def require_topics(client: Any, topics: Collection[str]) -> None:
    """Raise what is wrong with topics that cannot be used: `ClientRefused` for a right, else `BrokerUnavailable`."""
    if missing := await missing_topics(client, topics):
        denied = missing.keys() & client.cluster.unauthorized_topics
        raise (ClientRefused if denied else BrokerUnavailable)(" ".join(missing.values()))


def _why_missing(topic: str, unauthorized: Collection[str]) -> str:
    if topic in unauthorized:
        return f"The user may not see the topic {topic!r}: grant DESCRIBE and READ or WRITE on it."
    return f"The topic {topic!r} does not exist. Create it: {APPLY}"


async def bounded(work: Coroutine[Any, Any, Any], seconds: float) -> bool:
    """Run a piece of closing within a time limit, and only log what it raises. Returns whether it came to its end.

    It is a task of its own: aiokafka lets a CancelledError escape that is not meant for us (aiokafka's
    `Fetcher.close` awaits tasks that it has cancelled).
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not task.done() or task.cancelled():
        return False
    if error := task.exception():
        log.warning("While closing: %s", described(error))
    return error is None


async def close(client: Any) -> None:
    """Close the client, and let tasks end that wait for metadata which will never come."""
    await client.close()


async def _close(client: Any, close_it: Any, *, spaced: _Spaced) -> None:
    spaced.close()
    try:
        await close_it()
    finally:
        update = client._md_update_fut
        if update is not None and not update.done():
            update.set_result(False)
