"""`/live/`: what changes, as Server-Sent Events. It asks the database, so it is right with any number of processes.

    page ── GET /live/?quotes=7,8,9&newest=9 ──> every 0.5 s one look, from one of a few threads
         <── event: quote    a shown quote has other likes or another text, or is gone
         <── event: newer    how many quotes there are above `newest`
         <── event: passed   an event had its effect; the SSE id is its time in microseconds

Rules
* The quotes' state is compared with what this stream has told last, so a new stream tells all of it: nothing to resume.
* Events that passed are read by their time, 5 s back: a transaction may commit after a later one. What this stream has
  told it does not tell again; what an earlier stream has told (`Last-Event-ID`), the page drops by its id.
* No connection is held between two looks, none for a client: the looks of all share a small pool of threads.
* The stream ends when the process drains, and when the client leaves (Django cancels it).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import Error, close_old_connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

import lifespan
from examples.models import PassedEvent
from examples.quotes.models import Quote

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies drop silent connections, and a dead one shows itself."""

BACK = timedelta(seconds=5)
MOST_SHOWN = 100
MOST_PASSED = 100
"""The most rows of one look; during an import thousands pass between two."""

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="live")


async def live(request: HttpRequest) -> HttpResponseBase:
    """The stream. 204 under WSGI, which tells `EventSource` not to come back: a stream would hold a worker for ever."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    if not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Type": "text/event-stream"}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(stream(Watch.of(request)), headers=headers)


@dataclass(slots=True)
class Watch:
    """What one client is shown, and what it was told already."""

    shown: list[int]
    newest: int
    since: datetime
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    newer: int = 0
    passed: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, request: HttpRequest) -> "Watch":
        """What the address and `Last-Event-ID` ask for. What cannot be read there counts as not given."""
        shown = [number for text in request.GET.get("quotes", "").split(",") if (number := _number(text))]
        after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
        return cls(shown[:MOST_SHOWN], _number(request.GET.get("newest", "")), _time(after) - BACK)


async def stream(watch: Watch) -> AsyncIterator[bytes]:
    """The bytes of the stream: first how long to wait before a reconnect (in ms), then what each look finds."""
    draining = _draining()
    yield b"retry: 2000\n\n"
    quiet_since = time.monotonic()
    while not draining.is_set():
        try:
            found = await sync_to_async(look, thread_sensitive=False, executor=_threads)(watch)
        except Error:  # DatabaseError, and the InterfaceError of a connection that was cut
            logger.warning("The live stream ends: the database does not answer.", exc_info=True)
            return
        if not found and time.monotonic() - quiet_since >= HEARTBEAT:
            found = b": still here\n\n"
        if found:
            quiet_since = time.monotonic()
            yield found
        await _sleep(draining, INTERVAL)


def look(watch: Watch) -> bytes:
    """One look at the database: what this client was not told yet, as bytes of the stream. Runs in a thread."""
    close_old_connections()
    try:
        return b"".join([*_quotes(watch), *_newer(watch), *_passed(watch)])
    finally:
        close_old_connections()


def _quotes(watch: Watch) -> Iterator[bytes]:
    here = {quote.pk: quote for quote in Quote.objects.filter(pk__in=watch.shown)}
    for quote_id in watch.shown:
        quote = here.get(quote_id)
        state = _state(quote) if quote else {"id": quote_id, "gone": True}
        if watch.told.get(quote_id) != state:
            watch.told[quote_id] = state
            yield _event("quote", state)


def _newer(watch: Watch) -> Iterator[bytes]:
    newer = Quote.objects.filter(pk__gt=watch.newest).count()
    if newer != watch.newer:
        watch.newer = newer
        yield _event("newer", {"count": newer})


def _passed(watch: Watch) -> Iterator[bytes]:
    rows = PassedEvent.objects.filter(effect_at__gt=watch.since)[:MOST_PASSED]
    for row in reversed([row for row in rows if row.pk not in watch.passed]):
        watch.passed[row.pk] = row.effect_at
        yield _event("passed", passed_state(row), id=int(row.effect_at.timestamp() * 1_000_000))
    if watch.passed:
        watch.since = max(watch.since, max(watch.passed.values()) - BACK)
        watch.passed = {pk: when for pk, when in watch.passed.items() if when > watch.since}


def passed_state(row: PassedEvent) -> dict[str, Any]:
    """An event that passed, as the page shows it. `took`: from `publish()` to the effect, and why if it was long."""
    told = {"id": row.pk, "type": row.type, "key": row.key, "group": row.group, "took": row.took}
    return {**told, "waited": row.waited}


def _state(quote: Quote) -> dict[str, Any]:
    return {"id": quote.pk, "likes": quote.like_count, "words": quote.words, "author": quote.author}


def _event(name: str, data: dict[str, Any], *, id: int | None = None) -> bytes:
    first = b"" if id is None else f"id: {id}\n".encode()
    return first + f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


def _draining() -> asyncio.Event:
    """Set at a stop. In a process without `Lifespan` never: there the server cancels the stream."""
    try:
        return lifespan.current().draining
    except lifespan.NotStarted:
        return asyncio.Event()


async def _sleep(draining: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await draining.wait()
    except TimeoutError:
        return


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _time(text: str) -> datetime:
    """The time of an SSE id, never in the future: from there nothing would ever be told. Now, if there is none."""
    now = timezone.now()
    microseconds = _number(text)
    return min(now, datetime.fromtimestamp(microseconds / 1_000_000, UTC)) if 0 < microseconds < 2**53 else now
