"""What FastStream does here: it notes each new quote, and likes it.

    topic "quotes" ── QuoteCreated ──> `like_new_quote` ── QuoteLiked ──> topic "likes" ──> Quotes counts it

What an event is on the wire is CloudEvents' binary mode: the event is the JSON, its identity is in the headers. So
FastStream needs nothing of ours to read and to write events.

Rules
* FastStream repeats a record whose call failed or was killed, and runs no inbox: `like_new_quote` may run twice. So its
  row is looked for first; and the event it sends has an id that follows from the one it read, which the inbox of
  whoever counts the likes knows already.
* Nothing of FastStream is in the transaction: what it publishes is out, whatever the database says. `apublish` inside
  the `aatomic` block would be the outbox.
* `aatomic` brings a connection of its own. `TidyConnections` is for what is read outside of it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, reset_queries
from django.utils import timezone
from faststream import AckPolicy, BaseMiddleware
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.message import StreamMessage

from events.publishing import aatomic
from examples.models import PassedEvent

FAN = "faststream"
"""The name of the group, and of the user who likes every quote."""


class TidyConnections(BaseMiddleware[Any, Any]):
    """Django's connections around each record, as around a request: no signal of Django's is sent here."""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Close what broke or is too old, before and after. The async ORM runs in the thread of asgiref."""
        await sync_to_async(tidy)()
        try:
            return await call_next(msg)
        finally:
            await sync_to_async(close_old_connections)()


def tidy() -> None:
    """What Django's handler does when a request starts."""
    reset_queries()
    close_old_connections()


def broker_at(address: str) -> KafkaBroker:
    """A new broker with its subscriber, not yet open. `address`: `host:port,host:port`."""
    prefix = settings.EVENTS.get("PREFIX", "")
    broker = KafkaBroker(
        address.split(","),
        client_id=FAN,
        allow_auto_create_topics=False,  # `events_topics` makes them, on purpose
        graceful_timeout=10.0,  # with the rest of a stop it must fit into the 20 s of `Lifespan`
        middlewares=[TidyConnections],
    )

    @broker.subscriber(
        f"{prefix}quotes",
        group_id=f"{prefix}{FAN}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,  # FastStream's default commits before the call: at most once
    )
    async def like_new_quote(body: dict[str, Any], record: KafkaMessage) -> None:
        if record.headers.get("ce_type") == "QuoteCreated":
            await note(body["quote_id"], record.headers)
            liked = {"quote_id": body["quote_id"], "username": FAN}
            key, headers = str(body["quote_id"]).encode(), headers_of_like(record.headers)
            await broker.publish(liked, f"{prefix}likes", key=key, headers=headers)

    return broker


async def note(quote_id: int, headers: dict[str, str]) -> None:
    """Write the row for the list on the live page, once."""
    async with aatomic():
        known = PassedEvent.objects.filter(type="QuoteCreated", key=str(quote_id), group=FAN)
        if not await known.aexists():
            await PassedEvent.objects.acreate(
                type="QuoteCreated",
                key=str(quote_id),
                group=FAN,
                published_at=datetime.fromisoformat(headers["ce_time"]),
                effect_at=timezone.now(),
            )


def headers_of_like(read: dict[str, str]) -> dict[str, str]:
    """The identity of the event that answers the one with these headers: the same each time."""
    return {
        "ce_specversion": "1.0",
        "ce_id": f"{read['ce_id']}-liked",
        "ce_source": FAN,
        "ce_type": "QuoteLiked",
        "ce_time": timezone.now().isoformat(),
    }
