"""What begins inside of a request, what leaves it as an exception, and what a stopped loop leaves behind."""

import asyncio
import gc
import threading

import pytest

from lifespan.threads import RequestThreads, let_go
from tests.lifespan.lent import HTTP, Sent, ask, on_a_thread, receive, thread
from tests.waiting import until, until_sync

DEADLINE_S = 20


async def test_a_request_inside_a_request_uses_its_thread(lent):
    names = []

    async def app(scope, receive, send):
        names.append(await on_a_thread(thread))
        if scope["path"] != "/inmost":
            await ask(application, path="/inmost" if scope["path"] == "/inner" else "/inner")
            names.append(await on_a_thread(thread))

    application = lent(app, threads=1)

    await asyncio.wait_for(ask(application), DEADLINE_S)

    assert names == ["request-1"] * 5


async def test_a_request_inside_a_request_cannot_let_go_of_its_thread(lent):
    inner_is_over, go_on, order = asyncio.Event(), asyncio.Event(), []

    async def app(scope, receive, send):
        if scope["path"] == "/inner":
            return let_go()
        await on_a_thread(order.append, scope["path"])
        if scope["path"] == "/outer":
            await ask(application, path="/inner")
            inner_is_over.set()
            await go_on.wait()
            await on_a_thread(order.append, "still /outer")

    application = lent(app, threads=1)
    outer = asyncio.ensure_future(ask(application, path="/outer"))
    await inner_is_over.wait()
    other = asyncio.ensure_future(ask(application, path="/other"))
    await until(lambda: application._pool.line)
    go_on.set()
    await asyncio.gather(outer, other)

    assert order == ["/outer", "still /outer", "/other"]


async def test_the_next_request_of_a_pipeline_is_no_part_of_the_one_before(lent):
    """uvicorn starts its task inside `send`, which gives it the context of the request before."""
    began, over, following, names = asyncio.Event(), asyncio.Event(), [], []

    async def app(scope, receive, send):
        names.append(await on_a_thread(thread))
        if scope["path"] == "/2":
            began.set()
            await over.wait()
            names.append(await on_a_thread(thread))
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            await began.wait()

    async def send(message):
        if message["type"] == "http.response.body":
            following.append(asyncio.ensure_future(ask(application, path="/2")))

    application = lent(app, threads=2)
    await application({**HTTP, "path": "/1"}, receive, send)
    over.set()
    await following[0]

    assert names == ["request-1", "request-2", "request-2"]


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
async def test_an_application_that_calls_exit_ends_its_request_and_not_the_event_loop(lent, leaving):
    async def app(scope, receive, send):
        await on_a_thread(thread)
        raise leaving("bye")

    app = lent(app, threads=1)
    for _ in range(2):
        with pytest.raises(leaving, match="bye"):
            await ask(app)


async def test_headers_that_can_be_read_once_arrive(lent):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": iter([(b"a", b"1"), (b"b", b"2")])})

    sent = Sent()
    await lent(app)(HTTP, receive, sent)

    assert [list(message["headers"]) for message in sent] == [[(b"a", b"1"), (b"b", b"2")]]


def test_requests_that_a_stopped_loop_left_are_collected_without_a_lock_and_lose_no_thread():
    async def app(scope, receive, send):
        await on_a_thread(thread)
        if scope["path"] == "/hangs":
            hangs.set()
            await asyncio.Event().wait()

    async def start():
        request = asyncio.ensure_future(ask(application, path="/hangs"))
        await hangs.wait()
        return request

    application, hangs = RequestThreads(app, threads=1), asyncio.Event()
    loop = asyncio.new_event_loop()
    request = loop.run_until_complete(start())
    request._log_destroy_pending = False
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
    loop.close()
    collected = threading.Event()

    def collect():
        with application._pool.lock:
            gc.collect()
        collected.set()

    del request, task, loop
    threading.Thread(target=collect, daemon=True).start()

    assert collected.wait(DEADLINE_S)
    until_sync(lambda: gc.collect() >= 0 and application._pool._idle)  # its thread may have held the request till now
    asyncio.run(asyncio.wait_for(ask(application), DEADLINE_S))
    asyncio.run(application.close())
