"""The end of a pool: idle threads now, lent ones when they come back, and new ones for who comes later."""

from concurrent.futures import wait

from lifespan.lending import Borrower
from tests.lifespan.test_lending import got, thread
from tests.waiting import until_sync


def test_ended_threads_run_their_last_hook_and_later_borrowers_get_new_ones(pools):
    left = []
    pool = pools(2, on_thread_exit=lambda: left.append(thread()))
    idle, busy, later = Borrower(pool, "GET /1"), Borrower(pool, "GET /2"), Borrower(pool, "GET /3")
    got(busy.submit(thread))
    got(idle.submit(thread))
    idle.end()
    until_sync(lambda: idle._thread is None)

    endings = pool.end_threads()
    until_sync(lambda: left == ["request-2"])
    busy.end()
    wait(endings.values(), timeout=10)

    assert (left, pool.threads) == (["request-2", "request-1"], [])
    assert got(later.submit(thread)) == "request-3"
    later.end()


def test_a_thread_that_is_to_end_serves_the_line_first(pools):
    pool = pools()
    holder, waiting = Borrower(pool, "GET /1"), Borrower(pool, "GET /2")
    got(holder.submit(thread))
    waits = waiting.submit(thread)

    ending = pool.end_threads()
    holder.end()
    name = got(waits)
    waiting.end()
    wait(ending.values(), timeout=10)

    assert (name, pool.threads) == ("request-1", [])
