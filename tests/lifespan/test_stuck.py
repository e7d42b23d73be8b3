"""A stuck thread is named in the log, once, with what it does and where; so is a line that does not move."""

import re
import threading

import pytest

from lifespan.lending import Borrower
from lifespan.stuck import Watch
from tests.waiting import until_sync

STUCK_AFTER_S = 0.05
"""So short that a call which ends at once is stuck, too, when the machine stands still. So each test looks in time."""


@pytest.fixture
def pool(pools):
    return pools(1)


@pytest.fixture
def watch(pool):
    """Watch the pool from now on. At the end of the test nobody looks any more."""
    before, made = threading.enumerate(), []
    yield lambda: made.append(Watch(pool, STUCK_AFTER_S))
    for one in made:
        one.stop()
    for thread in threading.enumerate():
        if thread.name == "request-watch" and thread not in before:
            thread.join()


def said(caplog, text):
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


def looks_again(pool, times=3):
    """Wait until the watch has looked at the pool, several times."""
    looked = threading.Semaphore(0)

    class Threads(list):
        def __iter__(self):
            looked.release()
            return super().__iter__()

    pool.threads = Threads(pool.threads)
    for _ in range(times):
        assert looked.acquire(timeout=10)


def wait_for(opened, began):
    began.set()
    opened.wait(60)


def test_a_stuck_thread_is_named_once_with_what_it_does_and_where(pool, watch, caplog):
    opened, began, borrower = threading.Event(), threading.Event(), Borrower(pool, "GET '/slow'")
    call = borrower.submit(wait_for, opened, began)
    began.wait(10)

    watch()
    until_sync(lambda: said(caplog, "is stuck"))
    looks_again(pool)
    all_told = said(caplog, "is stuck")
    opened.set()
    call.result(10)
    borrower.end()

    [told] = all_told
    assert re.match(r"request-1 has worked on GET '/slow' for \d+\.\d s and is stuck at:\n", told)
    assert "in wait_for\n    opened.wait(60)" in told


def test_a_thread_that_is_lent_but_does_nothing_is_not_stuck(pool, watch, caplog):
    borrower = Borrower(pool, "GET '/'")
    borrower.submit(int).result(10)
    until_sync(lambda: pool.threads[0].busy_since is None)

    watch()
    looks_again(pool, times=8)
    all_told = said(caplog, "")
    borrower.end()

    assert all_told == []


def test_a_line_that_does_not_move_is_told_once_with_who_holds_the_threads(pool, watch, caplog):
    holder, waiting, gone = (Borrower(pool, f"GET '/{name}'") for name in ("holder", "waiting", "gone"))
    holder.submit(int).result(10)
    gone.submit(int).cancel()
    call = waiting.submit(int)

    watch()
    until_sync(lambda: said(caplog, "have waited"))
    looks_again(pool)
    holder.end()
    call.result(10)
    waiting.end()

    [told] = said(caplog, "have waited")
    assert re.fullmatch(
        r"1 calls have waited for a thread, the first for \d+\.\d s: all 1 are lent, to GET '/holder'", told
    )


def test_the_next_line_that_does_not_move_is_told_again(pool, watch, caplog):
    watch()
    for times in (1, 2):
        holder, waiting = Borrower(pool, "GET '/holder'"), Borrower(pool, "GET '/waiting'")
        holder.submit(int).result(10)
        call = waiting.submit(int)
        until_sync(lambda times=times: len(said(caplog, "have waited")) == times)
        holder.end()
        call.result(10)
        looks_again(pool)
        waiting.end()
        until_sync(lambda waiting=waiting: waiting._thread is None)
