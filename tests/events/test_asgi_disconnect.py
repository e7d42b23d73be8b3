"""A client that leaves cancels its view; what Django's handler then does, ours does."""

import asyncio
import gc

import django
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from events.asgi import DjangoASGI
from lifespan.threads import RequestThreads, lent, let_go

HTTP = {"type": "http", "method": "GET", "headers": []}


async def slow(request):
    try:
        request.scope["begun"].set()
        await asyncio.Event().wait()
    finally:
        request.scope["ended"].set()


async def stubborn(request):
    try:
        await slow(request)
    except asyncio.CancelledError:
        return HttpResponse("all the same")


async def stream(request):
    async def parts():
        yield "a"
        await slow(request)

    return StreamingHttpResponse(parts())


async def broken(request):
    try:
        await slow(request)
    except asyncio.CancelledError:
        raise RuntimeError("broken") from None


async def plain(request):
    return HttpResponse("plain")


async def tidy(request):
    try:
        request.scope["begun"].set()
        await asyncio.Event().wait()
    finally:
        for _ in range(10):
            await asyncio.sleep(0)
        request.scope["ended"].set()


urlpatterns = [path(f"{view.__name__}/", view) for view in (slow, stubborn, stream, broken, plain, tidy)]

HANDLERS = {
    "Django's": ASGIHandler,
    "ours": DjangoASGI,
    "ours on lent threads": lambda: RequestThreads(DjangoASGI(lent=lent, let_go=let_go)),
}
AS_FROM_6_1 = [name for name in HANDLERS if django.VERSION >= (6, 1) or name != "Django's"]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []


@pytest.fixture(params=HANDLERS)
async def app(request):
    app = HANDLERS[request.param]()
    yield app
    if isinstance(app, RequestThreads):
        await app.close()


class Client:
    """One request, and what came of it."""

    def __init__(self, app, name, after_each_message=None):
        self.begun, self.ended, self.finished = asyncio.Event(), asyncio.Event(), []
        self.sent = []
        self._messages = asyncio.Queue()
        self._after_each_message = after_each_message
        self.says("http.request")
        scope = {**HTTP, "path": f"/{name}/", "begun": self.begun, "ended": self.ended}
        self.request = asyncio.create_task(app(scope, self._messages.get, self._send))

    def says(self, kind):
        self._messages.put_nowait({"type": kind})

    async def _send(self, message):
        self.sent.append(message)
        if self._after_each_message:
            await self._after_each_message(self, message)


@pytest.fixture
def finishes():
    """How many requests are finished."""
    heard = []

    def finished(**named):
        heard.append(named["sender"])

    request_finished.connect(finished)
    yield heard
    request_finished.disconnect(finished)


@pytest.mark.parametrize("name", ["slow", "stubborn", "stream", "broken"])
async def test_a_client_that_leaves_cancels_the_view_and_the_request_is_finished_once(app, finishes, name):
    client = Client(app, name)
    await client.begun.wait()

    client.says("http.disconnect")
    await client.request

    assert client.ended.is_set()
    assert len(finishes) == 1


@pytest.mark.parametrize("app", AS_FROM_6_1, indirect=True)
@pytest.mark.parametrize("name", ["slow", "stream"])
async def test_a_server_that_cancels_the_request_cancels_the_view_and_hears_of_it(app, name):
    client = Client(app, name)
    await client.begun.wait()

    client.request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await client.request
    assert client.ended.is_set()


async def test_a_server_that_cancels_a_request_whose_client_has_just_left_hears_of_it():
    client = Client(DjangoASGI(), "slow")
    await client.begun.wait()
    await asyncio.sleep(0)  # its listener begins to wait

    client.says("http.disconnect")
    client.request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await client.request


@pytest.mark.parametrize("app", AS_FROM_6_1, indirect=True)
@pytest.mark.parametrize("name", ["slow", "stubborn"])
async def test_a_message_that_cannot_come_ends_the_request_with_an_error(app, name):
    client = Client(app, name)
    await client.begun.wait()

    client.says("http.request")

    with pytest.raises(AssertionError, match="Invalid ASGI message after request body: http.request"):
        await client.request
    assert client.ended.is_set()


async def test_the_task_of_a_request_is_not_left_cancelled():
    """As a server may go on in it: with the next request of the connection, or with its own end."""
    client = Client(DjangoASGI(), "stubborn")
    await client.begun.wait()

    client.says("http.disconnect")
    await client.request

    assert client.request.cancelling() == 0
    assert client.sent[0]["status"] == 200


async def test_what_breaks_while_it_is_sent_is_raised():
    async def send(message):
        raise OSError("the socket is gone")

    messages = asyncio.Queue()
    messages.put_nowait({"type": "http.request"})

    with pytest.raises(OSError, match="the socket is gone"):
        await DjangoASGI()({**HTTP, "path": "/nowhere/"}, messages.get, send)


@pytest.mark.parametrize("turns", range(5))
async def test_a_client_that_leaves_as_the_response_ends_does_not_keep_it_from_being_closed(app, finishes, turns):
    """As a server that tells of it inside the last `send`, and takes some turns of the loop to return."""

    async def leave(client, message):
        if message["type"] == "http.response.body":
            client.says("http.disconnect")
            for _ in range(turns):
                await asyncio.sleep(0)

    client = Client(app, "plain", leave)
    await client.request

    assert len(finishes) == 1
    assert client.request.cancelling() == 0


@pytest.mark.parametrize("app", AS_FROM_6_1, indirect=True)
async def test_a_loop_that_cancels_all_its_tasks_interrupts_no_view_that_tidies_up(app):
    before = asyncio.all_tasks()
    client = Client(app, "tidy")
    await client.begun.wait()
    await asyncio.sleep(0)  # its listener begins to wait

    for task in asyncio.all_tasks() - before:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await client.request
    assert client.ended.is_set()


def receiving(then):
    """A `receive` that gives a request, and then what `then()` gives."""
    messages = iter([{"type": "http.request"}])

    async def receive():
        for message in messages:
            return message
        return await then()

    return receive


async def wait_a_turn(message):
    await asyncio.sleep(0)


@pytest.mark.parametrize("app", AS_FROM_6_1, indirect=True)
async def test_a_listener_that_ends_without_word_of_the_client_does_not_end_the_request(app, finishes):
    async def cancelled():
        raise asyncio.CancelledError

    await app({**HTTP, "path": "/plain/"}, receiving(cancelled), wait_a_turn)

    assert len(finishes) == 1


async def leaves_when_it_is_cancelled():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return {"type": "http.disconnect"}


async def fails_when_it_is_cancelled():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise OSError("the socket is gone") from None


@pytest.mark.parametrize("app", AS_FROM_6_1, indirect=True)
async def test_a_client_that_leaves_after_its_response_is_no_error(app):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))

    await app({**HTTP, "path": "/plain/"}, receiving(leaves_when_it_is_cancelled), wait_a_turn)
    await _let_the_listener_end()

    assert told == []


async def test_a_server_that_fails_after_the_response_is_told_to_the_loop():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(str(context["exception"])))

    await DjangoASGI()({**HTTP, "path": "/plain/"}, receiving(fails_when_it_is_cancelled), wait_a_turn)
    await _let_the_listener_end()

    assert told == ["the socket is gone"]


async def _let_the_listener_end():
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
