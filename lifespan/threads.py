"""`RequestThreads`: the ASGI application that lends each request a thread that lasts.

Django starts a thread for every request and joins it afterwards; each new thread needs new database connections. Here
the sync parts of a request run on a borrowed thread instead, through asgiref's public
`ThreadSensitiveContext(executor=...)`: Django opens one of its own inside, which by asgiref's rule uses the outer one.

Rules
* A request that calls nothing sync borrows nothing. The first call borrows; until the response is complete all calls
  of the request run on that one thread, as Django promises: a middleware may leave things there for the view.
* Who may wait for hours holds no thread while it waits. A websocket, a response of `text/event-stream` from its first
  byte, what follows `let_go()`, and a task that outlives its request borrow for each call, and keep the thread between
  two calls only while `in_use()` says so.
* Where a sync caller waits above (`async_to_sync`, as in Django's `TestCase`), its thread is used as ever.
* A request that another one makes in this process, and waits for, is a part of it and uses its thread, as in Django:
  it could wait for ever for one of its own.
* When all threads are lent, calls wait in line without blocking the event loop.
"""

import asyncio
import atexit
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextvars import ContextVar, Token
from typing import Any, cast

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from lifespan.asgi import ASGIApp, Message, Receive, Scope, Send
from lifespan.lending import Borrower, Hooks, LentThread, ThreadPool, log, never, nothing
from lifespan.stuck import Watch

ENDING_S = 1.0
"""How long idle threads may take to end, in seconds."""

_borrower: ContextVar[Borrower | None] = ContextVar("lifespan_borrower", default=None)
_is_a_part: ContextVar[bool] = ContextVar("lifespan_is_a_part", default=False)


def let_go() -> None:
    """From here on this request borrows a thread for each call: for a view that waits long, before it does.

    A long poll, for example. What earlier calls left on their thread, other than an open transaction, is not seen by
    later ones. Does nothing where no thread is lent, or a request around this one goes on with it.
    """
    if (borrower := _borrower.get()) and not _is_a_part.get():
        borrower.let_go()


def lent() -> bool:
    """Whether sync calls of this task borrow a thread here: then the hooks run before the first and after the last."""
    return _borrower.get() is not None and getattr(AsyncToSync.executors, "current", None) is None


class RequestThreads:
    """Wraps `app`: lends its requests at most `threads` threads. It counts for all its event loops together.

    Each hook runs in a lent thread. `on_lend()` makes it ready for a request; `in_use()` says whether a transaction, or
    the like, is open there between two calls; `on_return()` leaves nothing open before another request gets the
    thread; `on_thread_exit()` is its last act. A call that takes more than `stuck_after` seconds is named in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        threads: int = 32,
        stuck_after: float = 30.0,
        on_lend: Callable[[], None] = nothing,
        in_use: Callable[[], bool] = never,
        on_return: Callable[[], None] = nothing,
        on_thread_exit: Callable[[], None] = nothing,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        if stuck_after <= 0:
            raise ValueError(f"stuck_after must be more than 0 seconds, not {stuck_after}")
        self.app = app
        self._stuck_after = stuck_after
        self._watch: Watch | None = None
        hooks = Hooks(on_lend=on_lend, in_use=in_use, on_return=on_return, on_thread_exit=on_thread_exit)
        self._pool = ThreadPool(threads, hooks, self._begin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._live(scope, receive, send)
            finally:
                await self.close()
        elif scope["type"] not in ("http", "websocket") or getattr(AsyncToSync.executors, "current", None) is not None:
            await self.app(scope, receive, send)
        elif (around := _borrower.get()) and around.holds_one_of(self._pool) and not around.answered:
            await self._join(scope, receive, send)
        else:
            await self._lend(scope, receive, send)

    async def close(self) -> None:
        """End the threads. Those that still work a second later are named, and end after it.

        A call that comes later gets a new one. It happens with the lifespan, or else when Python exits.
        """
        if endings := self._end_threads():
            await asyncio.wait([asyncio.wrap_future(ended) for ended in endings.values()], timeout=ENDING_S)
            _name_those_at_work(endings)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan of `app`; for one that raises at the mere scope, as Django does, one of the threads alone."""
        concerned = False

        async def asked() -> Message:
            nonlocal concerned
            concerned = True
            return await receive()

        try:
            await self.app(scope, asked, send)
        except Exception:
            if concerned:
                raise
        if not concerned:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.close()
            await send({"type": "lifespan.shutdown.complete"})

    async def _join(self, *request: Any) -> None:
        before = _is_a_part.set(True)
        try:
            await self.app(*request)
        finally:
            _is_a_part.reset(before)

    async def _lend(self, scope: Scope, receive: Receive, send: Send) -> None:
        waits = scope["type"] == "websocket"
        purpose = f"{scope.get('method', 'websocket')} {ascii(scope['path'])}"
        borrower = Borrower(self._pool, purpose, keeps=not waits)
        if not waits:
            send = _watched(send, borrower)
        context = ThreadSensitiveContext(executor=borrower)
        await context.__aenter__()  # type: ignore[no-untyped-call]
        with _Lent(borrower, context):
            await self.app(scope, receive, send)

    def _begin(self) -> None:
        if self._watch is None:
            self._watch = Watch(self._pool, self._stuck_after)
            atexit.register(self._end_at_exit)

    def _end_threads(self) -> dict[LentThread, Future[None]]:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
            atexit.unregister(self._end_at_exit)
        return self._pool.end_threads()

    def _end_at_exit(self) -> None:
        endings = self._end_threads()
        wait(endings.values(), timeout=ENDING_S)
        _name_those_at_work(endings)


class _Lent:
    """The time of one request. Its end undoes what a task that outlives it does not share.

    asgiref's context is not left, as asgiref would refuse every call of such a task then; it goes with the last one.
    """

    def __init__(self, borrower: Borrower, context: ThreadSensitiveContext) -> None:
        self._borrower = borrower
        self._context = context

    def __enter__(self) -> None:
        self._around = _borrower.set(self._borrower), _is_a_part.set(False)

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is GeneratorExit:  # the collector closes what a stopped loop has left, maybe while the lock is held
            return
        borrower, is_a_part = self._around
        _borrower.reset(borrower)
        _is_a_part.reset(is_a_part)
        SyncToAsync.thread_sensitive_context.reset(cast("Token[ThreadSensitiveContext]", self._context.token))
        self._context.token = None  # it holds the context around, as does its token: a pipeline would be one long chain
        self._borrower.end()


def _watched(send: Send, borrower: Borrower) -> Send:
    def watching(message: Mapping[str, Any]) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))  # ASGI allows what can be read only once
            if _is_event_stream(headers):
                borrower.let_go()
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            borrower.answered = True  # before it is sent: inside, uvicorn begins the next request of a pipeline
        return send(message)

    return watching


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(value.startswith(b"text/event-stream") for name, value in headers if name.lower() == b"content-type")


def _name_those_at_work(endings: dict[LentThread, Future[None]]) -> None:
    if working := [f"{thread.name} ({thread.purpose})" for thread, ended in endings.items() if not ended.done()]:
        log.warning(
            "%d request threads still work and end later, or with the process: %s", len(working), ", ".join(working)
        )
