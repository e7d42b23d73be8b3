"""`ThreadPool`: long-lived threads, lent to one borrower at a time, first come, first served.

    Borrower.submit ──▶ has a thread? ── yes ─▶ into the queue of that thread, behind its other calls
                              │ no
                              ▼
                        a free one, else a new one, else into the line ──▶ the next that comes back

* A borrower is an executor of one thread: no two of its calls run at once, and it never blocks who submits.
* It keeps its thread until `end`, or after `let_go` only as long as it has calls, or `in_use` says so.
* A thread comes back after its last call, also one that nobody awaits any more (a cancelled request), and runs
  `on_return` before the next borrower's first. A call that was cancelled before its turn never runs.
* Of the free threads the one used last is lent first: a quiet process works on few threads and few connections.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

log = logging.getLogger("lifespan.threads")


def nothing() -> None:
    """Do nothing: the hooks of who has nothing to clean up."""


def never() -> bool:
    """Say that no thread is in use between two calls."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the owner of a pool does in its threads.

    `on_lend`, before the first call of a borrower: see to what is kept there. `in_use`, after a call: whether
    something of the borrower is open there, such as a transaction. `on_return`, before somebody else may have the
    thread: leave nothing open. `on_thread_exit`, as the last thing.
    """

    on_lend: Callable[[], None] = nothing
    in_use: Callable[[], bool] = never
    on_return: Callable[[], None] = nothing
    on_thread_exit: Callable[[], None] = nothing


class LentThread:
    """One daemon thread and its queue: a request that hangs must not keep the process from ending."""

    def __init__(self, name: str, on_exit: Callable[[], None]) -> None:
        self.name = name
        self.purpose = ""
        """What it was lent for."""
        self.busy_since: float | None = None
        """When its present call began, in seconds of the monotonic clock."""
        self.leaves = False
        """Whether it ends when it comes back."""
        self.ended: Future[None] = Future()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.put = self._jobs.put
        self._on_exit = on_exit
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def ident(self) -> int:
        """Its number among the threads of the process."""
        return self._thread.ident or 0

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.busy_since = time.monotonic()
            job()
            self.busy_since = None
            del job  # or an idle thread would keep the last call's arguments alive
        quietly(self._on_exit)
        self.ended.set_result(None)


class Borrower(Executor):
    """An executor that borrows a thread with its first call. `purpose` names it in the log."""

    def __init__(self, pool: "ThreadPool", purpose: str, *, keeps: bool = True) -> None:
        self.purpose = purpose
        self.answered = False
        """Whether what it borrows for is answered: what begins after that is no part of it. Set by who lends."""
        self.waits_since = 0.0
        self._pool = pool
        self._keeps = keeps
        self._must_go = False
        self._unfinished = 0
        self._thread: LentThread | None = None
        self._waiting: list[tuple[Future[Any], Callable[[], None]]] = []

    def submit[**P, Result](self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """Have the thread call a function; the future may be cancelled until its turn."""
        future: Future[Result] = Future()
        job = partial(self._run, future, partial(fn, *args, **kwargs))
        with self._pool.lock:
            if self._thread is None and not self._waiting:
                self._pool.ask(self)  # first: where no thread can be started it raises, and nothing has changed
            self._unfinished += 1
            if self._thread is not None:
                self._thread.put(job)
            else:
                self._waiting.append((future, job))
        return future

    def holds_one_of(self, pool: "ThreadPool") -> bool:
        """Whether the thread that it has, or will have, is one of these, and it keeps that until `end`."""
        return self._keeps and self._pool is pool

    def let_go(self) -> None:
        """From now on give the thread back whenever it is idle, unless it is in use."""
        with self._pool.lock:
            self._keeps = False
            if self._thread is not None and not self._unfinished:
                self._unfinished = 1  # only the thread can say, so it is asked by a call
                self._thread.put(self._look_around)

    def end(self) -> None:
        """Give the thread back, as soon as it is idle, whatever is open there. Calls that come later borrow anew."""
        with self._pool.lock:
            self._keeps = False
            if self._thread is None:
                return
            if self._unfinished:
                self._must_go = True
            else:
                self._thread.put(self._pool.clean)  # ahead of what the next borrower puts there
                self._give_back(self._thread)

    def __del__(self) -> None:
        # Only a call after `end` can have left something open. No lock here: the collector may run inside of one.
        if self._thread is not None:
            self._thread.put(partial(self._pool.come_back, self._thread))

    # What follows is called with the pool's lock held.

    def wants_a_thread(self) -> bool:
        """Whether one of the calls that wait has not been cancelled; forget them otherwise."""
        if any(not future.cancelled() for future, _ in self._waiting):
            return True
        self._unfinished -= len(self._waiting)
        self._waiting.clear()
        return False

    def take(self, thread: LentThread) -> None:
        """Begin the calls that wait, on this thread."""
        self._thread = thread
        thread.purpose = self.purpose
        thread.put(self._pool.greet)
        for _, job in self._waiting:
            thread.put(job)
        self._waiting.clear()

    def _give_back(self, thread: LentThread) -> None:
        self._thread, self._must_go = None, False
        self._pool.lend(thread)

    # What follows runs in the thread.

    def _run(self, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return self._look_around()
        try:
            result = call()
        except BaseException as exc:
            thread = self._finish()
            future.set_exception(exc)
        else:
            thread = self._finish()  # first: who hears of the result may end at once, and must find the thread idle
            future.set_result(result)
        self._go_unless_needed(thread)

    def _look_around(self) -> None:
        self._go_unless_needed(self._finish())

    def _finish(self) -> LentThread | None:
        with self._pool.lock:
            self._unfinished -= 1
            return self._thread

    def _go_unless_needed(self, thread: LentThread | None) -> None:
        if self._keeps or (not self._must_go and quietly(self._pool.hooks.in_use)):
            return
        with self._pool.lock:
            if not self._is_idle_on(thread):
                return
        self._pool.clean()
        with self._pool.lock:
            if thread is not None and self._is_idle_on(thread):  # still
                self._give_back(thread)

    def _is_idle_on(self, thread: LentThread | None) -> bool:
        return self._thread is thread and not self._unfinished


class ThreadPool:
    """At most `size` threads, each made when it is first needed; any thread and any event loop may borrow."""

    def __init__(self, size: int, hooks: Hooks, on_new_thread: Callable[[], None] = nothing) -> None:
        self.hooks = hooks
        self._on_new_thread = on_new_thread
        self.lock = threading.Lock()
        self.threads: list[LentThread] = []
        self.line: deque[Borrower] = deque()
        self._size = size
        self._idle: list[LentThread] = []
        self._made = 0

    def ask(self, borrower: Borrower) -> None:
        """Give the borrower a thread, now or when its turn comes. The lock is held."""
        if self._idle:
            borrower.take(self._idle.pop())
        elif len(self.threads) < self._size:
            borrower.take(self._new())
        else:
            borrower.waits_since = time.monotonic()
            self.line.append(borrower)

    def lend(self, thread: LentThread) -> None:
        """Give a thread that came back to the first in the line, else keep it. The lock is held."""
        while self.line:
            if (borrower := self.line.popleft()).wants_a_thread():
                return borrower.take(thread)
        if thread.leaves:
            self._dismiss(thread)
        else:
            self._idle.append(thread)

    def greet(self) -> None:
        """Make this thread ready for a borrower."""
        quietly(self.hooks.on_lend)

    def clean(self) -> None:
        """Leave nothing open in this thread."""
        quietly(self.hooks.on_return)

    def come_back(self, thread: LentThread) -> None:
        """Take this thread back from a borrower that is gone."""
        self.clean()
        with self.lock:
            self.lend(thread)

    def end_threads(self) -> dict[LentThread, Future[None]]:
        """End the idle threads now and the others when they come back; return what tells when each has ended.

        Who borrows later gets new ones.
        """
        with self.lock:
            endings = {thread: thread.ended for thread in self.threads}
            for thread in self.threads:
                thread.leaves = True
            for thread in self._idle:
                self._dismiss(thread)
            self._idle.clear()
        return endings

    def _new(self) -> LentThread:
        self._on_new_thread()
        self._made += 1
        thread = LentThread(f"request-{self._made}", self.hooks.on_thread_exit)
        self.threads.append(thread)
        return thread

    def _dismiss(self, thread: LentThread) -> None:
        self.threads.remove(thread)
        thread.put(None)


def quietly[Result](hook: Callable[[], Result]) -> Result | None:
    """Call a hook; one that fails is logged, as a thread must not be lost by it."""
    try:
        return hook()
    except BaseException:
        log.exception("a hook of the request threads failed: %r", hook)
        return None
