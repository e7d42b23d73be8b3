"""`get_asgi_application`: Django's own ASGI handler without the trips to a thread that do nothing there.

For each request Django goes to the thread of the request twice for its own receivers alone: as `request_started`
and, in `response.close()`, `request_finished` are sent. They close old connections of that thread. A thread that
is new has none, and one that `lifespan.threads.RequestThreads` lends is seen to by its hooks. So both signals are sent
in place, from the event loop, when nobody else listens and nothing else is to be closed:

    who listens / what is closed                             where it happens
    only Django: database, URLconf, caches without a close   in place, unless the request has used a thread of Django's
    any other receiver, sync or async                        as in Django
    files, iterators, a `close()` of the response's own      as in Django

A lent thread goes back before a response is sent that needs none any more, so that slow clients hold none. Whole
responses and files do so; streams, and those whose end others hear of, keep it as Django has it.

All else is Django's code as installed, the watch for a client that disconnects included: `handle` is the handler's
own function, with two of its names bound to what stands here. Where Django uses other names one day, it is as before.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from types import FunctionType, SimpleNamespace
from typing import Any

import django
from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.core import signals
from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.handlers import asgi as django_asgi
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal
from django.http import FileResponse
from django.http.response import HttpResponseBase

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
        await self._handle(self, scope, receive, send)

    async def send_response(self, response: Any, send: Any) -> None:
        """Send a response, as Django does; without a thread unless it is a stream, or others hear of its end."""
        if self._needs_no_thread_any_more(response):
            self._let_go()
        await super().send_response(response, send)

    @cached_property
    def _handle(self) -> Callable[..., Awaitable[None]]:
        return _with_names(
            ASGIHandler.handle,
            signals=SimpleNamespace(
                **{
                    **vars(signals),
                    "request_started": _Sent(signals.request_started, self._needs_its_thread),
                    "request_finished": _Sent(signals.request_finished, self._needs_its_thread),
                }
            ),
            sync_to_async=self._closing,
        )

    def _needs_its_thread(self) -> bool:
        return not self._lent() and _has_used_a_thread()

    def _closing(self, function: Callable[..., Any], **options: Any) -> Callable[..., Awaitable[Any]]:
        """Stands for `sync_to_async`, which `handle` applies to `response.close` alone."""
        response = getattr(function, "__self__", None)
        if isinstance(response, HttpResponseBase) and self._may_close_in_place(response):
            return partial(_in_place, function)
        return sync_to_async(function, **options)

    def _may_close_in_place(self, response: Any) -> bool:
        return _closes_nothing(response) and _nobody_hears_of_its_end(response) and not self._needs_its_thread()

    def _needs_no_thread_any_more(self, response: Any) -> bool:
        if not self._lent() or not _nobody_hears_of_its_end(response):
            return False
        if type(response) is FileResponse:
            return response.file_to_stream is not None
        return not response.streaming and _closes_nothing(response)


class _Sent:
    """A signal that is sent in place when only Django hears it, and its thread needs nothing."""

    def __init__(self, signal: Signal, needs_its_thread: Callable[[], bool]) -> None:
        self._signal = signal
        self._needs_its_thread = needs_its_thread

    async def asend(self, sender: type, **named: Any) -> None:
        if _only_django_hears(self._signal, sender) and not self._needs_its_thread():
            self._signal.send(sender, **named)
        else:
            await self._signal.asend(sender, **named)


def _with_names(function: Callable[..., Any], **names: Any) -> Callable[..., Any]:
    """The same function, with some of the global names that it uses bound to something else.

    One that is not Django's own stays as it is: tools that trace requests put theirs in its place.
    """
    if type(function) is not FunctionType or function.__globals__ is not vars(django_asgi):
        return function
    known = {**function.__globals__, **names}
    return FunctionType(function.__code__, known, function.__name__, function.__defaults__, function.__closure__)


def _has_used_a_thread() -> bool:
    """Whether this request may have left something on its thread: it has none before its first sync call."""
    if getattr(AsyncToSync.executors, "current", None) is not None:
        return True
    context = SyncToAsync.thread_sensitive_context.get(None)
    return context is None or context in SyncToAsync.context_to_thread_executor


def _only_django_hears(signal: Signal, sender: type | None) -> bool:
    sync, asynchronous = signal._live_receivers(sender)
    only_its_own = not asynchronous and all(receiver in OF_DJANGO for receiver in sync)  # some cannot be hashed
    return only_its_own and not any(map(_closes_something, _caches()))


def _nobody_hears_of_its_end(response: Any) -> bool:
    return _only_django_hears(signals.request_finished, response._handler_class)


def _caches() -> list[Any]:
    return caches.all(initialized_only=True)


def _closes_something(cache: Any) -> bool:
    return type(cache).close is not BaseCache.close


def _closes_nothing(response: Any) -> bool:
    """Whether `response.close()` is Django's own, and has only a request without files to close."""
    own = type(response).close is HttpResponseBase.close
    return own and all(_is_a_request_without_files(closer) for closer in response._resource_closers)


def _is_a_request_without_files(close: Callable[[], None]) -> bool:
    request = getattr(close, "__self__", None)
    return type(request) is ASGIRequest and not getattr(request, "_files", None)


async def _in_place(close: Callable[[], None]) -> None:
    close()
