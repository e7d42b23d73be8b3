"""A pool of threads: one borrower at a time, in the order in which they came, and none is ever lost."""

import gc
import threading
from concurrent.futures import Future, wait

import pytest

from lifespan.lending import Borrower
from tests.waiting import until_sync


def thread():
    return threading.current_thread().name


def gate():
    """A call that waits until it is opened, and what tells that it runs."""
    runs, opened = threading.Event(), threading.Event()

    def call():
        runs.set()
        assert opened.wait(10)
        return thread()

    return call, runs, opened


def got(future: Future):
    return future.result(timeout=10)


def test_all_calls_of_a_borrower_run_on_one_thread_in_order(pools):
    borrower, order = Borrower(pools(3), "GET /"), []

    names = {got(future) for future in [borrower.submit(lambda n=n: order.append(n) or thread()) for n in range(9)]}

    assert (names, order) == ({"request-1"}, list(range(9)))
    borrower.end()


def test_who_calls_nothing_borrows_nothing(pools):
    pool = pools()

    Borrower(pool, "GET /").end()

    assert pool.threads == []


def test_borrowers_have_threads_of_their_own_and_the_one_used_last_is_lent_first(pools):
    pool = pools(2)
    first, second = Borrower(pool, "GET /1"), Borrower(pool, "GET /2")
    names = got(first.submit(thread)), got(second.submit(thread))
    for borrower in (first, second):
        borrower.end()
        until_sync(lambda borrower=borrower: borrower._thread is None)

    third = Borrower(pool, "GET /3")

    assert (names, got(third.submit(thread))) == (("request-1", "request-2"), "request-2")
    third.end()


def test_who_finds_all_threads_lent_waits_in_line_and_is_served_in_order(pools):
    pool, order = pools(), []
    holder, waiting = Borrower(pool, "GET /"), [Borrower(pool, f"GET /{n}") for n in range(5)]
    got(holder.submit(thread))
    calls = [[borrower.submit(order.append, (n, call)) for call in "ab"] for n, borrower in enumerate(waiting)]

    assert not any(call.done() for pair in calls for call in pair)
    holder.end()
    for borrower, pair in zip(waiting, calls, strict=True):
        wait(pair, timeout=10)
        borrower.end()

    assert order == [(n, call) for n in range(5) for call in "ab"]


def test_a_cancelled_call_in_line_never_runs_and_gets_no_thread(pools):
    pool, ran = pools(), []
    holder, gone, next_one = (Borrower(pool, name) for name in ("GET /", "GET /gone", "GET /next"))
    got(holder.submit(thread))
    call = gone.submit(ran.append, 1)
    later = next_one.submit(thread)

    assert call.cancel()
    holder.end()

    assert (got(later), ran, gone._thread) == ("request-1", [], None)
    gone.end()
    next_one.end()


def test_a_borrower_whose_call_was_cancelled_in_line_may_call_again(pools):
    pool = pools()
    holder, borrower = Borrower(pool, "GET /"), Borrower(pool, "GET /again")
    got(holder.submit(thread))
    borrower.submit(thread).cancel()
    holder.end()
    until_sync(lambda: not pool.line and holder._thread is None)

    assert got(borrower.submit(thread)) == "request-1"
    borrower.end()


def test_a_call_cancelled_in_the_queue_of_its_thread_never_runs(pools):
    borrower, ran = Borrower(pools(), "GET /"), []
    call, runs, opened = gate()
    first, second = borrower.submit(call), borrower.submit(ran.append, 1)
    runs.wait(10)

    assert second.cancel()
    opened.set()

    assert (got(first), got(borrower.submit(thread)), ran) == ("request-1", "request-1", [])
    borrower.end()


def test_a_thread_that_still_runs_a_call_of_who_has_ended_is_lent_only_after_it(pools):
    pool = pools()
    cancelled, next_one = Borrower(pool, "GET /cancelled"), Borrower(pool, "GET /next")
    call, runs, opened = gate()
    still_runs = cancelled.submit(call)
    runs.wait(10)

    cancelled.end()
    waits = next_one.submit(still_runs.done)
    assert not waits.done()
    opened.set()

    assert got(waits)
    next_one.end()


def test_who_let_go_gives_the_thread_back_after_each_call(pools):
    pool = pools()
    waiting, other = Borrower(pool, "websocket /", keeps=False), Borrower(pool, "GET /")

    names = [got(borrower.submit(thread)) for borrower in (waiting, other, waiting) for _ in [other.end()]]

    assert names == ["request-1"] * 3
    other.end()


def test_let_go_gives_back_a_thread_that_is_idle(pools):
    pool = pools()
    stream, other = Borrower(pool, "GET /stream"), Borrower(pool, "GET /")
    got(stream.submit(thread))
    waits = other.submit(thread)
    other.let_go()  # it has none yet

    assert not waits.done()
    stream.let_go()

    assert got(waits) == "request-1"
    other.end()
    assert got(stream.submit(thread)) == "request-1"


def test_who_let_go_keeps_the_thread_while_it_is_in_use_until_the_end(pools):
    in_use = threading.Event()
    pool = pools(in_use=in_use.is_set)
    waiting, other = Borrower(pool, "websocket /", keeps=False), Borrower(pool, "GET /")
    got(waiting.submit(in_use.set))
    waits = other.submit(thread)

    assert got(waiting.submit(waits.done)) is False
    waiting.end()

    assert got(waits) == "request-1"
    other.end()


def test_a_thread_is_made_ready_in_itself_once_for_each_borrower(pools):
    greeted = []
    pool = pools(on_lend=lambda: greeted.append(thread()))
    first, second = Borrower(pool, "GET /1"), Borrower(pool, "GET /2")
    seen = [got(first.submit(greeted.copy)) for _ in range(2)]
    first.end()

    seen.append(got(second.submit(greeted.copy)))

    assert seen == [["request-1"], ["request-1"], ["request-1"] * 2]
    second.end()


def test_a_thread_is_cleaned_in_itself_before_another_gets_it(pools):
    cleaned = []
    pool = pools(on_return=lambda: cleaned.append(thread()))
    first, second = Borrower(pool, "GET /1"), Borrower(pool, "GET /2")
    got(first.submit(thread))

    first.end()

    assert got(second.submit(cleaned.copy)) == ["request-1"]
    second.end()


def test_a_call_that_comes_while_the_thread_is_cleaned_keeps_it(pools):
    clean, runs, opened = gate()
    pool = pools(on_return=clean)
    borrower = Borrower(pool, "websocket /", keeps=False)
    got(borrower.submit(thread))
    runs.wait(10)

    again = borrower.submit(thread)
    opened.set()

    assert got(again) == "request-1"


def test_a_call_after_the_end_borrows_for_itself(pools):
    pool = pools()
    borrower, other = Borrower(pool, "GET /"), Borrower(pool, "GET /other")
    borrower.end()

    assert got(borrower.submit(thread)) == "request-1"
    assert got(other.submit(thread)) == "request-1"
    other.end()


def test_what_a_call_after_the_end_left_in_use_is_cleaned_when_nobody_knows_the_borrower_any_more(pools):
    in_use, cleaned = threading.Event(), threading.Event()
    pool = pools(in_use=in_use.is_set, on_return=cleaned.set)
    borrower, other = Borrower(pool, "GET /"), Borrower(pool, "GET /other")
    borrower.end()
    got(borrower.submit(in_use.set))

    del borrower
    gc.collect()

    assert got(other.submit(cleaned.is_set))
    in_use.clear()
    other.end()


def test_an_error_of_a_call_belongs_to_who_waits_for_it(pools):
    borrower = Borrower(pools(), "GET /")

    with pytest.raises(SystemExit):
        got(borrower.submit(exit))

    assert got(borrower.submit(thread)) == "request-1"
    borrower.end()


def test_a_hook_that_fails_is_logged_and_costs_no_thread(pools, caplog):
    pool = pools(in_use=lambda: 1 / 0, on_return=lambda: [].pop(), on_thread_exit=lambda: {}[0])
    first, second = Borrower(pool, "GET /1", keeps=False), Borrower(pool, "GET /2")

    names = got(first.submit(thread)), got(second.submit(thread))
    second.end()
    until_sync(lambda: second._thread is None)
    wait(pool.end_threads().values(), timeout=10)

    assert names == ("request-1", "request-1")
    assert {record.exc_info[0] for record in caplog.records} == {ZeroDivisionError, IndexError, KeyError}


def test_an_idle_thread_keeps_nothing_of_the_last_call_alive(pools):
    class Argument:
        alive = 0

        def __init__(self):
            Argument.alive += 1

        def __del__(self):
            Argument.alive -= 1

    borrower = Borrower(pools(), "GET /")
    got(borrower.submit(lambda argument: None, Argument()))

    until_sync(lambda: Argument.alive == 0)
    borrower.end()


def test_where_no_thread_can_be_started_the_call_fails_and_the_next_one_may_not(pools, monkeypatch):
    borrower = Borrower(pools(), "GET /")

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            borrower.submit(thread)

    assert got(borrower.submit(thread)).startswith("request-")
    borrower.end()
