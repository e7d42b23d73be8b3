"""`DatabaseThreads`: threads with a database connection of their own, which subscribers borrow.

A `DatabaseThread` is an executor of exactly one thread. It serves sync subscribers (`run`) and, as the executor of an
asgiref context, async ones (`context`): all their ORM calls then meet on one connection, and so in one transaction.

* Connections stay open, also with Django's default `CONN_MAX_AGE = 0`: that means "until the end of the request", and
  here is none. To connect anew for each event took 3.4 ms instead of 0.5 (PostgreSQL on this machine's loopback).
* A connection that failed is checked before its next use, and so is one that was idle: servers restart, firewalls
  forget. Inside a transaction nothing is touched, so tests may run it all in one.
* psycopg's pool is honoured: with `OPTIONS["pool"]` a connection goes back after each use.
"""

import asyncio
import contextvars
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol

from asgiref.sync import ThreadSensitiveContext
from django.db import DatabaseError, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

from events.conf import config

IDLE_S = 1.0
"""Seconds after which an unused connection is checked before it is used again; the check takes 0.1 ms."""

MISSING = ("no such", "does not exist", "doesn't exist")
"""What SQLite, PostgreSQL and MySQL say of a table that is not there."""

COMES_AGAIN = "What it wrote in a transaction is rolled back with the process, and the event comes again."

logger = logging.getLogger("events.database")


class Thread(Protocol):
    """A thread that somebody borrowed."""

    async def run[**P, Result](self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Call a sync function in the thread, in a copy of this context."""

    def context(self) -> AbstractAsyncContextManager[None]:
        """While it is entered, the async ORM of this task runs in the thread."""


class Threads(Protocol):
    """Who lends threads: `DatabaseThreads`, or in tests the caller's own thread."""

    def borrowed(self) -> AbstractAsyncContextManager[Thread]:
        """A thread for one user at a time."""


class DatabaseThread(Executor):
    """One daemon thread, started by its first job. A subscriber that hangs must not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._used_at = 0.0
        self._lock = threading.Lock()
        self._closing = False
        self.last: Future[Any] = Future()
        """The latest job; before the first one, one that is done."""
        self.last.set_result(None)
        self.ended: Future[None] = Future()
        """Done when the thread has closed its connections."""

    def submit[**P, Result](self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """Have the thread call a function. Raises `RuntimeError` after `shutdown`."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("this database thread is closed")
            if not self._thread.ident:
                self._thread.start()
            self.last = future
            self._jobs.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; after the last one the thread closes its connections and ends."""
        with self._lock:
            if not self._closing and not self._thread.ident:
                self.ended.set_result(None)
            self._closing = True
            self._jobs.put(None)
        if wait:
            self.ended.result()

    async def run[**P, Result](self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Call a sync function in the thread, in a copy of this context, on healthy connections.

        Cancelled, it returns at once; the function goes on, as no thread can be stopped.
        """
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        future = asyncio.wrap_future(self.submit(self._on_healthy_connections, call))
        future.add_done_callback(_look_at)
        return await asyncio.shield(future)

    @asynccontextmanager
    async def context(self) -> AsyncIterator[None]:
        """While it is entered, the async ORM of this task runs in the thread."""
        await self.run(_nothing)
        try:
            async with ThreadSensitiveContext(executor=self):
                yield
        finally:
            if _any_pool():
                await self.run(_nothing)

    def _work(self) -> None:
        try:
            while job := self._jobs.get():
                _do(*job)
                del job  # or its result and its exception stay alive until the next one
        finally:
            connections.close_all()
            self.ended.set_result(None)

    def _on_healthy_connections[Result](self, call: Callable[[], Result]) -> Result:
        reset_queries()  # with DEBUG Django keeps every query of a thread, for ever
        tidy_connections(idle=time.monotonic() - self._used_at > IDLE_S)
        try:
            return call()
        finally:
            self._used_at = time.monotonic()
            if _any_pool():
                tidy_connections()


class DatabaseThreads:
    """At most `size` database threads on one event loop. The one used last is lent first.

    `left`: what to say of a subscriber that still runs in one when they are closed.
    """

    def __init__(self, size: int, name: str = "database", *, left: str = COMES_AGAIN) -> None:
        self.size = size
        self._name, self._left = name, left
        self._room = asyncio.Semaphore(size)
        self._idle: list[DatabaseThread] = []
        self._all: list[DatabaseThread] = []

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[DatabaseThread]:
        """A thread for one user at a time. Waits until one is free."""
        await self._room.acquire()
        thread = self._idle.pop() if self._idle else self._new()
        try:
            yield thread
        finally:
            self._give_back_when_idle(thread)

    async def close(self, within_s: float = 1.0) -> None:
        """End the threads and their connections. Those that still run a subscriber then are named and left alone.

        By now the engines have waited for them for `EVENTS["DRAIN"]` seconds; more would not fit into a stop.
        """
        for thread in self._all:
            thread.shutdown(wait=False)
        endings = [asyncio.wrap_future(thread.ended) for thread in self._all]
        if endings and (running := (await asyncio.wait(endings, timeout=within_s))[1]):
            logger.warning(
                "%d of %d database threads still run a subscriber. %s", len(running), len(endings), self._left
            )

    def _new(self) -> DatabaseThread:
        thread = DatabaseThread(f"{self._name}-{len(self._all)}")
        self._all.append(thread)
        return thread

    def _give_back_when_idle(self, thread: DatabaseThread) -> None:
        # After a cancellation the thread may still be at work: the next borrower must not wait behind that.
        if thread.last.done():
            return self._give_back(thread)
        loop = asyncio.get_running_loop()

        def when_idle(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody will borrow again
                loop.call_soon_threadsafe(self._give_back_when_idle, thread)

        thread.last.add_done_callback(when_idle)

    def _give_back(self, thread: DatabaseThread) -> None:
        self._idle.append(thread)
        self._room.release()


@asynccontextmanager
async def database_threads(
    size: int = 0, name: str = "database", *, left: str = COMES_AGAIN
) -> AsyncIterator[DatabaseThreads]:
    """Database threads, held open. `size`: 0 takes `EVENTS["DATABASE_THREADS"]`, on SQLite 1: it has one writer."""
    threads = DatabaseThreads(size or default_size(), name, left=left)
    try:
        yield threads
    finally:
        await threads.close()


def default_size() -> int:
    """How many threads subscribers share."""
    one_writer = connections[config().DATABASE].vendor == "sqlite"
    return 1 if one_writer else config().DATABASE_THREADS


def tidy_connections(*, idle: bool = False) -> None:
    """Close what is broken or too old, in this thread. After `idle` time the next use checks the connection first."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        if connection.settings_dict["CONN_MAX_AGE"] == 0 and not _has_pool(connection):
            connection.close_at = None
        connection.close_if_unusable_or_obsolete()
        connection.health_check_enabled = idle or connection.settings_dict["CONN_HEALTH_CHECKS"]  # type: ignore[attr-defined]


def database_answers() -> bool:
    """Whether the databases that this thread uses, and the one of outbox and inbox, answer right now."""
    aliases = {config().DATABASE, *(one.alias for one in connections.all(initialized_only=True))}
    return all(_answers(connections[alias]) for alias in aliases)


def described(error: Exception) -> str:
    """One line: what the error says, and what to do when a table of ours is missing."""
    text = " ".join(str(error).split()) or type(error).__name__
    missing = isinstance(error, DatabaseError) and any(words in text for words in MISSING)
    return f"{text}: run manage.py migrate" if missing and "kafka_events_" in text else text


def _answers(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block:
        return True
    try:
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        return bool(connection.is_usable())
    except Exception:  # drivers raise what they like; none of it is an answer
        return False


def _has_pool(connection: BaseDatabaseWrapper) -> bool:
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def _any_pool() -> bool:
    return any(one.get("OPTIONS", {}).get("pool") for one in connections.settings.values())


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _look_at(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _nothing() -> None:
    pass
