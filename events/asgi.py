"""`get_asgi_application`: Django's own ASGI handler without the trips to a thread that do nothing there.

For each request Django goes to the thread of the request twice for its own receivers alone: as `request_started`
and, in `response.close()`, `request_finished` are sent. They close old connections of that thread. A thread that
is new has none, and one that `lifespan.threads.RequestThreads` lends is seen to by its hooks. So the trips are left
out when nobody else listens and nothing else is to be closed:

    who listens / what is closed                             what happens
    only Django: database, URLconf, caches without a close   no trip, unless the request has used a thread of Django's
    any other receiver, sync or async                        as in Django
    files, iterators, a `close()` of the response's own      as in Django

A lent thread goes back before a response is sent that needs none any more, so that slow clients hold none. Whole
responses and files do so; streams, and those whose end others hear of, keep it as Django has it.

`handle` takes Django's steps in Django's order, the watch for a client that leaves included; each step is a method of
Django's as installed. It is written after the `handle` of the versions in `WRITTEN_AFTER`; where another one is, or
a tool that traces has put its own in the place, that one runs.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from functools import cached_property
from types import FunctionType
from typing import Any, cast

import django
from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import RequestAborted
from django.core.handlers import asgi as django_asgi
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix, set_urlconf

WRITTEN_AFTER = ((5, 2), (6, 0), (6, 1))
CLOSE = HttpResponseBase.close
OF_DJANGO = (reset_queries, close_old_connections, reset_urlconf, close_caches)


def never() -> bool:
    """No thread is lent: Django's own, one for each request."""
    return False


def nothing() -> None:
    """There is no thread to let go: Django's own are as many as it takes."""


def get_asgi_application(*, lent: Callable[[], bool] = never, let_go: Callable[[], None] = nothing) -> "DjangoASGI":
    """Set Django up and return its ASGI application, as `django.core.asgi.get_asgi_application` does.

    `lent()` says whether this request borrows its thread, and hooks close the old connections there: give it
    `lifespan.threads.lent`. Without `RequestThreads`, the first signal needs no thread, and the second one only if the
    request has used its own. `let_go()` gives the thread back before a response goes out that needs none any more:
    give it `lifespan.threads.let_go`, or a few clients that read slowly may keep all threads.
    """
    django.setup(set_prefix=False)
    return DjangoASGI(lent=lent, let_go=let_go)


class DjangoASGI(ASGIHandler):
    """Django's `ASGIHandler`; `get_asgi_application` makes one."""

    # For subclasses that leave `__init__` out, as Django's own handler of static files does.
    _lent: Callable[[], bool] = staticmethod(never)
    _let_go: Callable[[], None] = staticmethod(nothing)

    def __init__(self, *, lent: Callable[[], bool] = never, let_go: Callable[[], None] = nothing) -> None:
        super().__init__()
        self._lent = lent
        self._let_go = let_go

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Handle a request, as Django does."""
        if not _is_known(ASGIHandler.handle):
            await super().handle(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            await self._tell(request_started, scope=scope)
            request, response = self.create_request(scope, body)
            if request is None:
                await self.send_response(response, send)
            else:
                response = await self._respond(request, receive, send=send)
            await self._end(response)

    async def send_response(self, response: Any, send: Any) -> None:
        """Send a response, as Django does; without a thread unless it is a stream, or others hear of its end."""
        if self._needs_no_thread_any_more(response):
            self._let_go()
        await super().send_response(response, send)

    async def _tell(self, signal: Signal, **named: Any) -> None:
        if self._needs_its_thread() or self._others_hear(signal):
            await signal.asend(type(self), **named)

    async def _respond(self, request: Any, receive: Any, *, send: Any) -> Any:
        """Send the response and return it; None if the client left before there was one, which cancels the view."""
        response = None
        with suppress(RequestAborted):
            async with _Until(self.listen_for_disconnect(receive)):
                response = await self.run_get_response(request)
                await self.send_response(response, send)
        return response

    async def _end(self, response: Any) -> None:
        if response is None:
            await self._tell(request_finished)
        elif self._needs_its_thread() or not _closes_nothing(response) or self._others_hear(request_finished):
            await sync_to_async(response.close)()
        else:
            _close(response)
        set_urlconf(None)  # as Django's receiver of request_finished does

    @cached_property
    def _hearing(self) -> dict[Signal, tuple[list[Any], bool]]:
        return {}

    def _needs_its_thread(self) -> bool:
        return not self._lent() and _has_used_a_thread()

    def _needs_no_thread_any_more(self, response: Any) -> bool:
        if not self._lent() or self._others_hear(request_finished):
            return False
        if type(response) is FileResponse:
            return response.file_to_stream is not None
        return not response.streaming and _closes_nothing(response)

    def _others_hear(self, signal: Signal) -> bool:
        """Whether anybody but Django hears a signal; asked anew when its receivers have changed."""
        receivers, others = self._hearing.get(signal, (None, True))
        if receivers != signal.receivers:
            receivers = list(signal.receivers)  # first: a thread may connect another meanwhile
            sync, asynchronous = signal._live_receivers(type(self))
            others = bool(asynchronous) or any(receiver not in OF_DJANGO for receiver in sync)
            self._hearing[signal] = receivers, others
        return others or (signal is request_finished and any(map(_closes_something, _caches())))


class _Until:
    """A block that is cancelled once `listening` raises, and raises the same.

    So does a task group, which Django uses. This is less work, as only one task is in it and nobody waits for that.
    What the block's task does afterwards is never cancelled: it closes the response.
    """

    def __init__(self, listening: Coroutine[Any, Any, None]) -> None:
        self._listening = listening
        self._cut = self._is_over = False

    async def __aenter__(self) -> None:
        self._block = cast("asyncio.Task[Any]", asyncio.current_task())
        self._cancelling = self._block.cancelling()
        self._listener = asyncio.create_task(self._listening)
        self._listener.add_done_callback(self._hear)

    async def __aexit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._is_over = True
        if self._listener.cancel() or self._listener.cancelled():
            return
        only_we_cancelled = self._cut and self._block.uncancel() <= self._cancelling
        if kind is None or (only_we_cancelled and kind is asyncio.CancelledError):
            self._listener.result()

    def _hear(self, listener: "asyncio.Task[None]") -> None:
        raised = None if listener.cancelled() else listener.exception()
        if raised and not self._is_over:
            self._cut = self._block.cancel()
        elif raised and not isinstance(raised, RequestAborted):
            raise raised  # too late for the request: the loop logs it


def _is_known(handle: Callable[..., Any]) -> bool:
    """Whether ours was written after this `handle`. No tool that traces has put its own there."""
    is_of_django = type(handle) is FunctionType and handle.__globals__ is vars(django_asgi)
    return is_of_django and django.VERSION[:2] in WRITTEN_AFTER


def _has_used_a_thread() -> bool:
    """Whether this request may have left something on its thread: it has none before its first sync call."""
    if getattr(AsyncToSync.executors, "current", None) is not None:
        return True
    context = SyncToAsync.thread_sensitive_context.get(None)
    return context is None or context in SyncToAsync.context_to_thread_executor


def _caches() -> list[Any]:
    return caches.all(initialized_only=True)


def _closes_something(cache: Any) -> bool:
    return type(cache).close is not BaseCache.close


def _closes_nothing(response: Any) -> bool:
    """Whether `response.close()` is Django's own, and has only a request without files to close."""
    own = getattr(response.close, "__func__", None) is CLOSE
    return own and all(_is_a_request_without_files(closer) for closer in response._resource_closers)


def _is_a_request_without_files(close: Callable[[], None]) -> bool:
    request = getattr(close, "__self__", None)
    if type(request) is not ASGIRequest or getattr(request, "_files", None):
        return False
    return not getattr(request._stream, "_rolled", False)  # a large body is a file, too


def _close(response: Any) -> None:
    """What `response.close()` does besides a signal that nobody hears."""
    for close in response._resource_closers:
        with suppress(Exception):
            close()
    response._resource_closers.clear()
    response.closed = True
