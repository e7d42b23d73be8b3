"""Django's handler beside what others do: clients that read slowly, tools that trace, receivers of any kind."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

from events.asgi import DjangoASGI
from lifespan.threads import RequestThreads, lent, let_go
from tests.waiting import until

DEADLINE_S = 20


def page(request):
    return HttpResponse("page")


def file(request):
    return FileResponse(open(__file__, "rb"))


async def export(request):
    async def parts():
        yield "a"

    await sync_to_async(int)()
    return StreamingHttpResponse(parts())


async def closed_by_a_tool(request):
    response = HttpResponse("page")
    response.close = lambda: request.scope["closed"].append(response)
    return response


class Broken:
    def close(self):
        raise OSError("no space left on device")


async def hardly_closed(request):
    request._stream = Broken()
    return HttpResponse("page")


urlpatterns = [path(f"{view.__name__}/", view) for view in (page, file, export, closed_by_a_tool, hardly_closed)]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []


class SlowReader:
    """A client that takes what the server sends only when it `reads`."""

    def __init__(self, app, name, **more):
        self.reads, self.waits, self.parts = asyncio.Event(), asyncio.Event(), []
        self._asked = False
        scope = {"type": "http", "method": "GET", "path": f"/{name}/", "headers": [], **more}
        self.asking = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self):
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request"}

    async def _send(self, message):
        self.waits.set()
        await self.reads.wait()
        self.parts.append(message.get("body", b""))

    async def body(self):
        self.reads.set()
        await asyncio.wait_for(self.asking, DEADLINE_S)
        return b"".join(self.parts)


@pytest.fixture
async def app():
    app = RequestThreads(DjangoASGI(lent=lent, let_go=let_go), threads=1)
    yield app
    await app.close()


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # Django reads a file whole, and says so
@pytest.mark.parametrize("name", ["page", "file"])
async def test_a_client_that_reads_slowly_keeps_no_thread_from_others(app, name):
    slow = SlowReader(app, name)
    await slow.waits.wait()

    assert await SlowReader(app, "page").body() == b"page"
    assert (await slow.body())[:4] in (b"page", b'"""D')
    assert await SlowReader(app, "page").body() == b"page"


@pytest.mark.parametrize("name", ["page", "export"])
async def test_a_stream_keeps_its_thread_and_so_does_a_response_whose_end_others_hear_of(app, name):
    def finished(**named):
        pass

    if name == "page":
        request_finished.connect(finished)
    try:
        slow = SlowReader(app, name)
        await slow.waits.wait()
        other = SlowReader(app, "page")
        await until(lambda: app._pool.line)

        await slow.body()

        assert await other.body() == b"page"
    finally:
        request_finished.disconnect(finished)


async def test_a_receiver_that_cannot_be_hashed_is_heard(app):
    class Receiver:
        __hash__ = None
        calls = 0

        def __call__(self, **named):
            self.calls += 1

    receiver = Receiver()
    request_finished.connect(receiver)
    try:
        assert await SlowReader(app, "page").body() == b"page"
    finally:
        request_finished.disconnect(receiver)

    assert receiver.calls == 1


async def test_where_a_tool_has_replaced_djangos_function_its_own_runs(monkeypatch):
    seen, original = [], ASGIHandler.handle

    async def traced(handler, scope, receive, send):
        seen.append(scope["path"])
        await original(handler, scope, receive, send)

    monkeypatch.setattr(ASGIHandler, "handle", traced)

    assert await SlowReader(DjangoASGI(), "page").body() == b"page"
    assert seen == ["/page/"]


def whole(app, name, **scope):
    """GET /name/ by a client that reads all there is."""
    client = SlowReader(app, name, **scope)
    client.reads.set()
    return client.asking


@pytest.mark.parametrize("handler", [ASGIHandler, DjangoASGI])
async def test_a_close_that_a_tool_has_put_on_a_response_is_called(handler):
    closed = []

    await whole(handler(), "closed_by_a_tool", closed=closed)

    assert len(closed) == 1


@pytest.mark.parametrize("handler", [ASGIHandler, DjangoASGI])
async def test_a_close_that_fails_does_not_fail_the_request(handler):
    await whole(handler(), "hardly_closed")


async def test_a_receiver_that_a_thread_connects_while_we_look_is_heard_by_the_next_request(monkeypatch):
    heard, look = [], request_finished._live_receivers

    def finished(**named):
        heard.append(named["sender"])

    def look_and_connect(sender):
        found = look(sender)
        request_finished.connect(finished)
        return found

    app = DjangoASGI()
    try:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(request_finished, "_live_receivers", look_and_connect)
            await whole(app, "hardly_closed")
        heard.clear()
        await whole(app, "hardly_closed")
    finally:
        request_finished.disconnect(finished)

    assert heard == [DjangoASGI]
