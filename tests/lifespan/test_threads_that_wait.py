"""Who waits for hours holds no thread: websockets, event streams, and who says so."""

import asyncio

import pytest

from lifespan.threads import let_go
from tests.lifespan.lent import HTTP, WEBSOCKET, ask, on_a_thread, thread
from tests.waiting import until


@pytest.mark.parametrize(
    ("scope", "content_type"), [(WEBSOCKET, b"text/plain"), (HTTP, b"text/event-stream; charset=utf-8")]
)
async def test_a_websocket_and_an_event_stream_hold_no_thread_while_they_wait(lent, scope, content_type):
    waiting, go_on, names = asyncio.Event(), asyncio.Event(), []

    async def app(scope, receive, send):
        names.append(await on_a_thread(thread))
        if scope["path"] == "/short":
            return
        await send(
            {"type": "any.response.start".replace("any", scope["type"]), "headers": [(b"Content-Type", content_type)]}
        )
        waiting.set()
        await go_on.wait()
        names.append(await on_a_thread(thread))

    app = lent(app, threads=1)
    stream = asyncio.ensure_future(ask(app, scope))
    await waiting.wait()
    await ask(app, path="/short")
    go_on.set()
    await stream

    assert names == ["request-1"] * 3


async def test_another_response_keeps_its_thread_until_it_is_complete(lent):
    started, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        await on_a_thread(thread)
        await send({"type": "http.response.start", "headers": [(b"content-type", b"text/csv")]})
        started.set()
        await go_on.wait()

    app = lent(app, threads=1)
    export = asyncio.ensure_future(ask(app))
    await started.wait()
    other = asyncio.ensure_future(ask(app))
    await until(lambda: app._pool.line)
    go_on.set()

    await asyncio.gather(export, other)


async def test_a_view_that_waits_long_can_let_go(lent):
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        await on_a_thread(thread)
        if scope["path"] == "/poll":
            let_go()
            waiting.set()
            await go_on.wait()

    app = lent(app, threads=1)
    poll = asyncio.ensure_future(ask(app, path="/poll"))
    await waiting.wait()
    await ask(app)
    go_on.set()

    await poll


def test_to_let_go_where_nothing_is_lent_does_nothing():
    let_go()
