"""What one request leaves on its thread, and what of it the next one sees."""

import asyncio
import contextvars
import gc
import threading
import weakref

from lifespan import threads
from tests.lifespan.lent import HTTP, ask, on_a_thread, receive, thread
from tests.waiting import until

FEW, REQUESTS = 5, 12


async def test_a_request_leaves_nothing_behind(lent):
    class Thing:
        pass

    things = weakref.WeakSet()
    kept = contextvars.ContextVar("kept")

    async def app(scope, receive, send):
        thing = Thing()
        things.add(thing)
        kept.set(thing)
        await on_a_thread(thread)

    app = lent(app)
    await asyncio.create_task(ask(app))  # as servers do

    await until(lambda: gc.collect() >= 0 and not things)


async def test_the_requests_of_a_pipeline_do_not_keep_each_other(lent):
    """As under uvicorn, which begins the next request inside the last `send` of the one before, in its context."""

    class Thing:
        pass

    things, kept = weakref.WeakSet(), contextvars.ContextVar("kept")

    async def app(scope, receive, send):
        things.add(thing := Thing())
        kept.set(thing)
        await send({"type": "http.response.body"})

    async def send(message):
        begun.append(message)
        gc.collect()
        most.append(len(things))
        if len(begun) < REQUESTS:
            asyncio.ensure_future(application(HTTP, receive, send))
        else:
            done.set()

    begun, most, done, application = [], [], asyncio.Event(), lent(app)
    await asyncio.gather(application(HTTP, receive, send), done.wait())

    assert max(most) < FEW


async def test_what_a_request_sets_in_its_context_reaches_its_thread_and_nobody_else(lent):
    language, seen = contextvars.ContextVar("language", default="none"), []

    async def app(scope, receive, send):
        seen.append(await on_a_thread(language.get))
        language.set(scope["path"])
        seen.append(await on_a_thread(language.get))
        await on_a_thread(language.set, "from the thread")
        seen.append(language.get())

    app = lent(app, threads=1)
    for path in ("/1", "/2"):
        await asyncio.create_task(ask(app, path=path))  # as servers do

    assert seen == ["none", "/1", "from the thread", "none", "/2", "from the thread"]
    assert language.get() == "none"


async def test_a_thread_local_lasts_as_long_as_its_thread_as_under_wsgi(lent):
    local, seen = threading.local(), []

    def poison():
        seen.append(getattr(local, "user", None))
        local.user = "somebody"

    async def app(scope, receive, send):
        await on_a_thread(poison)

    app = lent(app, threads=1)
    await ask(app)
    await ask(app)

    assert seen == [None, "somebody"]


async def test_after_a_request_its_caller_is_as_before(lent):
    async def app(scope, receive, send):
        inside.append((threads.lent(), await on_a_thread(thread)))

    inside = []
    await ask(lent(app))

    assert inside == [(True, "request-1")]
    assert not threads.lent()
    assert await on_a_thread(thread) != "request-1"
