"""`QuoteLikes`, the socket of one quote: it tells a signed-in browser how many like it, and who does from now on.

    QuoteLiked ── Kafka ──> push_like, in every process ── layer, group quote.7 ──> QuoteLikes ──> browser

Rules
* A like may arrive here before Quotes has counted it, or after: two subscribers, two positions. So a socket keeps the
  names that it heard, and counts those that are not in the database yet on top of what is.
* It joins the group before it counts: what happens meanwhile comes as an event.
* What was heard before a socket opened and is counted after it, no event tells. So a socket looks again by itself, soon
  at first. Whatever a push has missed, a page is right again within `LOOK_S`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import chain, repeat
from typing import Any, override

import msgspec
from channels.db import database_sync_to_async
from channels.exceptions import ChannelFull
from django.db import Error
from django.db.models import Count, Q

from examples.quotes.models import Quote
from examples.with_channels.sockets import LATER, UNKNOWN, WHO, Socket

logger = logging.getLogger(__name__)

LOOK_SOON_S, LOOK_S = (1.0, 3.0, 10.0), 30.0
"""Seconds until a new socket looks at the count again, each after the one before; then between any two looks."""

MOST_HEARD = 500
"""Names that a socket keeps. A like that is never counted, such as a dead letter, is forgotten at last."""


def group_of(quote_id: int) -> str:
    """The group of the layer that holds the sockets of a quote."""
    return f"quote.{quote_id}"


class QuoteLikes(Socket):
    """`ws/quotes/<id>/`: `{"id", "likes"}` at first and as a correction, `{"id", "likes", "username"}` for each like.

    The number is the newest, so of two likes that come together the first one may be told with the number of both.

    Closed with 4401 where nobody is signed in, with 4404 where there is no such quote (any more), and with 1013 where
    the database does not answer.
    """

    shown: int | None = None
    looking: asyncio.Task[None] | None = None

    @override
    async def __call__(self, *arguments: Any) -> None:
        """Channels' own: the life of the socket, however it ends."""
        try:
            await super().__call__(*arguments)
        finally:
            if self.looking:
                self.looking.cancel()

    async def connect(self) -> None:
        """Let a user in who is signed in, and tell how many like the quote now."""
        self.quote_id: int = self.scope["url_route"]["kwargs"]["quote_id"]
        self.heard: set[str] = set()
        if not self.scope["user"].is_authenticated:
            await self.refuse(WHO)
            return
        self.groups = (*self.groups, group_of(self.quote_id))  # left again by Channels, when the socket closes
        await self.channel_layer.group_add(group_of(self.quote_id), self.channel_name)
        await self.accept()
        await self.tell()
        look = partial(self.channel_layer.send, self.channel_name, {"type": "look"})
        self.looking = asyncio.create_task(_now_and_then(look))

    async def look(self, told: dict[str, Any]) -> None:
        """Look whether other likes were counted. Called by the layer, so that nothing else is told meanwhile."""
        await self.tell()

    async def quote_liked(self, told: dict[str, Any]) -> None:
        """Pass a like on. Called by the layer."""
        self.heard.add(told["username"])
        await self.tell(username=told["username"])

    async def tell(self, **more: str) -> None:
        """Tell the browser how many like the quote: with a name always, else if it was told another number."""
        try:
            likes = await database_sync_to_async(likes_of)(self.quote_id, self.heard)
        except Error:  # DatabaseError, and the InterfaceError of a connection that was cut
            logger.warning("A socket is closed: the database does not answer.", exc_info=True)
            await self.close(LATER)
            return
        if likes is None:
            await self.close(UNKNOWN)
        elif more or likes != self.shown:
            self.shown = likes
            await self.send(text_data=msgspec.json.encode({"id": self.quote_id, "likes": likes, **more}).decode())


async def _now_and_then(look: Callable[[], Awaitable[None]]) -> None:
    for pause in chain(LOOK_SOON_S, repeat(LOOK_S)):
        await asyncio.sleep(pause)
        with suppress(ChannelFull):  # a browser that takes nothing: it has enough to be told
            await look()


def likes_of(quote_id: int, heard: set[str]) -> int | None:
    """How many like the quote, with those who were only heard of so far; None where there is no such quote.

    Forgets the heard ones once all of them are counted. Runs in a thread.
    """
    counted = Count("likes", filter=Q(likes__username__in=heard))
    row = Quote.objects.filter(pk=quote_id).annotate(counted=counted).values("like_count", "counted").first()
    if row is None:
        return None
    likes: int = row["like_count"] + len(heard) - row["counted"]  # of one statement: nothing happens in between
    if row["counted"] == len(heard) or len(heard) > MOST_HEARD:
        heard.clear()
    return likes
