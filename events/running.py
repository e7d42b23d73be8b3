"""`Running`: calls a subscriber in the way that its declaration asks for.

                 atomic (the default)                           atomic=False
    def          a database thread: inbox row and function      a database thread: the function alone
                 in one transaction
    async def    on the event loop; its ORM calls and the       on the event loop
                 inbox row on one database thread, in one
                 transaction

Raises what the subscriber raised, or `DatabaseAway` when the database is the reason. A cancellation goes through; a
subscriber that raises one by itself, or wants to end the process, has failed.
"""

import asyncio
import inspect
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError

from events.conf import config
from events.core.codec import inbox_id
from events.core.envelope import Envelope, handling
from events.core.errors import EventsError
from events.core.registry import Subscriber
from events.database import Thread, Threads, database_answers, tidy_connections
from events.inbox import handle_once, remember, subscriber_number
from events.transactions import aatomic


class DatabaseAway(EventsError):
    """The database does not answer. That says nothing about the event."""


@dataclass(frozen=True, slots=True)
class Running:
    """Runs the subscribers of one group. `threads`: who lends database threads.

    `group`: the one that they were declared in, with prefix. `batch=` and the like make another consumer group of a
    subscriber, but not another subscriber: the inbox goes on knowing what it has handled.
    """

    group: str
    threads: Threads

    async def run(self, subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
        """Have the subscriber handle these events: one, or for `batch=` a list. Those handled before are left out."""
        try:
            await self._run(subscriber, envelopes)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise RuntimeError("the subscriber raised CancelledError, but nobody had cancelled it") from error
        except (SystemExit, GeneratorExit) as error:  # it would end the process, and every other that tries the record
            raise RuntimeError(f"the subscriber raised {type(error).__name__}") from error

    async def _run(self, subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
        if subscriber.is_async and not subscriber.atomic:
            return await _on_the_loop(subscriber, envelopes)
        async with self.threads.borrowed() as thread:
            try:
                await self._in_thread(subscriber, envelopes, thread=thread)
            except Exception as error:
                if is_of_database(error) and not await thread.run(database_answers):
                    raise DatabaseAway(f"the database does not answer: {type(error).__name__}: {error}") from error
                raise

    async def _in_thread(self, subscriber: Subscriber, envelopes: Sequence[Envelope], *, thread: Thread) -> None:
        if not subscriber.atomic:
            await thread.run(_call, subscriber, envelopes)
        elif subscriber.is_async:
            async with thread.context():
                await self._atomically(subscriber, envelopes)
        else:
            await thread.run(self._once, subscriber, envelopes)

    def _once(self, subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
        ids = [inbox_id(envelope) for envelope in envelopes]
        handle_once(self._key(subscriber), ids, call=lambda new: _call(subscriber, _only(envelopes, new)))

    async def _atomically(self, subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
        number = await sync_to_async(subscriber_number)(self._key(subscriber))
        async with aatomic(config().DATABASE):
            if new := await sync_to_async(remember)(number, [inbox_id(envelope) for envelope in envelopes]):
                await _acall(subscriber, _only(envelopes, new))

    def _key(self, subscriber: Subscriber) -> str:
        return f"{self.group}/{subscriber.name}"


def is_of_database(error: BaseException) -> bool:
    """Whether the database may be what failed, here or at the root of the error. A deadlock looks the same."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_of_database(one) for one in error.exceptions)
    cause = error.__cause__
    return isinstance(error, OperationalError | InterfaceError) or (cause is not None and is_of_database(cause))


async def _on_the_loop(subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
    try:
        await _acall(subscriber, envelopes)
    except Exception as error:
        # Nobody else looks after the connections of asgiref's own thread: one that broke would stay broken.
        if is_of_database(error):
            await sync_to_async(tidy_connections)()
            if not await sync_to_async(database_answers)():
                raise DatabaseAway(f"the database does not answer: {type(error).__name__}: {error}") from error
        raise


def _call(subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
    with handling(envelopes):
        result = subscriber.function(_argument(subscriber, envelopes))
    _refuse_unfinished(subscriber, result)


async def _acall(subscriber: Subscriber, envelopes: Sequence[Envelope]) -> None:
    with handling(envelopes):
        result = subscriber.function(_argument(subscriber, envelopes))
        assert inspect.isawaitable(result)
        _refuse_unfinished(subscriber, await result)


def _refuse_unfinished(subscriber: Subscriber, result: object) -> None:
    """What a wrapper hands back instead of running it would be an event lost in silence."""
    if inspect.isawaitable(result):
        if asyncio.iscoroutine(result):
            result.close()
        raise TypeError(f"Subscriber {subscriber.name} returned an awaitable that nobody awaits: make it `async def`.")
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"Subscriber {subscriber.name} returned a generator that nobody runs: it must not `yield`.")


def _argument(subscriber: Subscriber, envelopes: Sequence[Envelope]) -> object:
    return [envelope.event for envelope in envelopes] if subscriber.batch else envelopes[0].event


def _only(envelopes: Sequence[Envelope], new: Collection[uuid.UUID]) -> list[Envelope]:
    """Those with a new id, each id once: a batch may hold the same event twice."""
    first = {inbox_id(envelope): envelope for envelope in reversed(envelopes)}
    return [envelope for envelope in envelopes if (key := inbox_id(envelope)) in new and first[key] is envelope]
