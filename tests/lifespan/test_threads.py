"""Requests on lent threads: one thread for each, none while it waits, and nothing of one request in another."""

import asyncio
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async

from lifespan.threads import RequestThreads
from lifespan.threads import lent as is_lent
from tests.lifespan.lent import HTTP, Sent, ask, on_a_thread, receive, thread
from tests.waiting import until


async def test_all_sync_calls_of_a_request_run_on_one_thread_that_lasts(lent):
    names = []

    async def app(scope, receive, send):
        async with ThreadSensitiveContext():  # as Django's handler does
            assert is_lent()
            names.append({await on_a_thread(thread) for _ in range(3)})

    app = lent(app)
    for _ in range(3):
        await ask(app)

    assert names == [{"request-1"}] * 3


async def test_a_request_that_calls_nothing_sync_borrows_nothing(lent):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})

    app = lent(app)
    sent = Sent()
    await app(HTTP, receive, sent)

    assert [message["status"] for message in sent] == [200]
    assert app._pool.threads == []


async def test_requests_at_once_have_a_thread_each_until_none_is_left(lent):
    everybody, names = threading.Barrier(3), []

    async def app(scope, receive, send):
        names.append(await on_a_thread(lambda: everybody.wait(10) >= 0 and thread()))

    app = lent(app, threads=3)
    await asyncio.gather(*(ask(app) for _ in range(12)))

    assert sorted(set(names)) == ["request-1", "request-2", "request-3"]
    assert len(names) == 12


async def test_who_waits_in_line_does_not_hold_up_the_event_loop(lent):
    opened, began = threading.Event(), asyncio.Event()

    async def app(scope, receive, send):
        began.set()
        await on_a_thread(opened.wait, 10)

    app = lent(app, threads=1)
    requests = [asyncio.ensure_future(ask(app)) for _ in range(5)]
    await began.wait()
    await asyncio.sleep(0)  # the loop turns while all five wait
    assert not any(request.done() for request in requests)

    opened.set()

    await asyncio.gather(*requests)


async def test_a_task_that_outlives_its_request_has_threads_too(lent):
    over, tasks = asyncio.Event(), []

    async def late():
        await over.wait()
        return await on_a_thread(thread)

    async def app(scope, receive, send):
        tasks.append(asyncio.ensure_future(late()))
        await on_a_thread(thread)

    app = lent(app, threads=1)
    await ask(app)
    over.set()

    assert await tasks[0] == "request-1"
    await ask(app)
    assert await tasks[1] == "request-1"


async def test_sync_code_that_calls_async_code_that_calls_sync_code_stays_on_its_thread(lent):
    names = []

    def innermost():
        names.append(thread())

    async def inner():
        await on_a_thread(innermost)
        await asyncio.gather(on_a_thread(innermost), on_a_thread(async_to_sync(deepest)))

    async def deepest():
        await on_a_thread(innermost)

    async def app(scope, receive, send):
        await on_a_thread(async_to_sync(inner))

    await ask(lent(app, threads=1))

    assert names == ["request-1"] * 3


async def test_calls_that_are_not_thread_sensitive_borrow_nothing(lent):
    async def app(scope, receive, send):
        await sync_to_async(thread, thread_sensitive=False)()
        await asyncio.to_thread(thread)

    app = lent(app)
    await ask(app)

    assert app._pool.threads == []


def test_where_a_sync_caller_waits_its_thread_is_used():
    names = []

    async def app(scope, receive, send):
        async with ThreadSensitiveContext():
            names.append(await on_a_thread(threading.get_ident))
            assert not is_lent()

    app = RequestThreads(app)
    async_to_sync(app)(HTTP, receive, Sent())

    assert names == [threading.get_ident()]
    assert app._pool.threads == []


async def test_a_cancelled_request_in_line_leaves_it(lent):
    opened, ran = threading.Event(), []

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            await on_a_thread(opened.wait, 10)
        else:
            await on_a_thread(ran.append, scope["path"])

    app = lent(app, threads=1)
    slow, gone = asyncio.ensure_future(ask(app, path="/slow")), asyncio.ensure_future(ask(app, path="/gone"))
    await until(lambda: app._pool.line)

    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    opened.set()
    await slow
    await ask(app, path="/next")

    assert ran == ["/next"]


async def test_a_cancelled_request_keeps_its_thread_until_its_call_has_ended(lent):
    opened, began, order = threading.Event(), threading.Event(), []

    def work():
        began.set()
        opened.wait(10)
        order.append("ended")

    async def app(scope, receive, send):
        await on_a_thread(work if scope["path"] == "/slow" else lambda: order.append("next"))

    app = lent(app, threads=1)
    slow = asyncio.ensure_future(ask(app, path="/slow"))
    await until(began.is_set)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    following = asyncio.ensure_future(ask(app))
    await until(lambda: app._pool.line)
    opened.set()
    await following

    assert order == ["ended", "next"]


async def test_an_error_of_the_application_is_raised_and_gives_the_thread_back(lent):
    async def app(scope, receive, send):
        await on_a_thread(thread)
        raise LookupError(scope["path"])

    app = lent(app, threads=1)
    for path in ("/1", "/2"):
        with pytest.raises(LookupError, match=path):
            await ask(app, path=path)


async def test_what_a_response_consists_of_is_passed_on_in_its_order(lent):
    parts = [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]},
        {"type": "http.response.body", "body": b"1", "more_body": True},
        {"type": "http.response.body", "body": b"2"},
    ]
    sent = Sent()

    async def app(scope, receive, send):
        for part in parts:
            await send(part)

    await lent(app)(HTTP, receive, sent)

    assert sent == parts


async def test_other_scopes_are_passed_on_untouched(lent):
    seen = []

    async def app(*arguments):
        seen.append(arguments)

    scope, send = {"type": "webtransport"}, Sent()
    await lent(app)(scope, receive, send)

    assert seen == [(scope, receive, send)]


def test_several_event_loops_share_the_threads():
    names = []

    async def app(scope, receive, send):
        names.append(await on_a_thread(thread))

    app = RequestThreads(app)
    for _ in range(3):
        asyncio.run(ask(app))
    asyncio.run(app.close())

    assert names == ["request-1"] * 3


@pytest.mark.parametrize("options", [{"threads": 0}, {"stuck_after": 0}])
def test_limits_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        RequestThreads(None, **options)
