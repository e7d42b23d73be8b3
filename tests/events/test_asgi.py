"""What Django promises about a request holds, and its thread is spared the trips that do nothing there."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import get_urlconf, path, set_urlconf

from events.asgi import DjangoASGI, get_asgi_application
from lifespan.threads import RequestThreads, lent, let_go

HERE = threading.current_thread


async def plain(request):
    return HttpResponse("plain")


def sync(request):
    return HttpResponse(HERE().name)


async def broken(request):
    raise RuntimeError("broken")


class Closing(HttpResponse):
    closed_on = None

    def close(self):
        Closing.closed_on = HERE()
        super().close()


async def own_close(request):
    return Closing("own")


async def stream(request):
    async def parts():
        yield "a"

    return StreamingHttpResponse(parts())


async def choose_a_urlconf(request):
    set_urlconf(__name__)
    return HttpResponse()


async def use_the_cache(request):
    caches["default"].get_backend_timeout()
    return HttpResponse()


VIEWS = (plain, sync, broken, own_close, stream, use_the_cache, choose_a_urlconf)
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []


@pytest.fixture
def heard():
    """Receivers of both signals: gives (which, thread) in the order in which they were called."""
    calls = []

    def started(**named):
        calls.append(("started", HERE()))

    def finished(**named):
        calls.append(("finished", HERE()))

    request_started.connect(started)
    request_finished.connect(finished)
    yield calls
    request_started.disconnect(started)
    request_finished.disconnect(finished)


async def get(app, name, *, body=b"", **more):
    """GET /name/, with `more` in the scope. Returns status and body."""
    messages, requests = [], asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": body})

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": f"/{name}/", "headers": [], **more}
    await app(scope, requests.get, send)
    return messages[0]["status"], b"".join(message.get("body", b"") for message in messages[1:]).decode()


@pytest.fixture
def trips(monkeypatch):
    """How often a request was sent to a thread."""
    made, original = [], asyncio.BaseEventLoop.run_in_executor

    def counted(loop, executor, function, *args):
        made.append(executor)
        return original(loop, executor, function, *args)

    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", counted)
    return made


@pytest.fixture(params=["threads of Django's", "lent threads"])
async def serve(request):
    made = []

    def serving(handler=DjangoASGI):
        if request.param == "threads of Django's":
            return handler()
        made.append(RequestThreads(handler(lent=lent, let_go=let_go) if handler is DjangoASGI else handler()))
        return made[-1]

    yield serving
    for app in made:
        await app.close()


async def test_an_async_view_needs_no_thread(serve, trips):
    assert await get(serve(), "plain") == (200, "plain")
    assert trips == []


@pytest.mark.parametrize("handler", [ASGIHandler, DjangoASGI])
async def test_a_response_is_closed_at_the_end(serve, monkeypatch, handler):
    made, original = [], handler.send_response

    async def noted(*args):
        made.append(args[1])
        await original(*args)

    monkeypatch.setattr(handler, "send_response", noted)

    await get(serve(handler), "plain")

    assert made[0].closed
    assert not made[0]._resource_closers


async def test_a_sync_view_needs_the_thread_once_and_closes_the_connections_of_djangos_own(serve, trips):
    app = serve()
    status, name = await get(app, "sync")

    own = not isinstance(app, RequestThreads)
    assert (status, len(trips)) == (200, 2 if own else 1)
    assert own or name == "request-1"


async def test_django_alone_makes_the_trips(serve, trips):
    await get(serve(ASGIHandler), "plain")

    assert len(trips) == 2


@pytest.mark.parametrize("handler", [ASGIHandler, DjangoASGI])
@pytest.mark.parametrize("name", ["plain", "sync", "stream", "broken"])
async def test_others_hear_both_signals_once_in_order_on_the_thread_of_the_request(serve, heard, handler, name):
    status, _ = await get(serve(handler), name)

    assert status == (500 if name == "broken" else 200)
    assert [which for which, _ in heard] == ["started", "finished"]
    assert heard[0][1] is heard[1][1] is not HERE()


class CacheWithAConnection(BaseCache):
    closed_on = None

    def __init__(self, location, params):
        super().__init__(params)

    def close(self, **kwargs):
        CacheWithAConnection.closed_on = HERE()


async def test_a_cache_that_closes_something_does_it_on_the_thread(serve, settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.CacheWithAConnection"}}
    CacheWithAConnection.closed_on = None

    await get(serve(), "use_the_cache")

    assert CacheWithAConnection.closed_on not in (None, HERE())


async def test_an_async_receiver_is_awaited(serve):
    heard = []

    async def started(**named):
        await asyncio.sleep(0)
        heard.append(named["scope"]["path"])

    request_started.connect(started)
    try:
        await get(serve(), "plain")
    finally:
        request_started.disconnect(started)

    assert heard == ["/plain/"]


async def test_a_body_that_is_kept_on_disk_is_closed_on_the_thread(serve, trips, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1

    assert await get(serve(), "plain", body=b"longer") == (200, "plain")
    assert len(trips) == 1


async def test_a_response_with_a_close_of_its_own_is_closed_on_the_thread(serve):
    Closing.closed_on = None

    await get(serve(), "own_close")

    assert Closing.closed_on not in (None, HERE())


@pytest.mark.django_db(transaction=True)  # on that thread an earlier test may have left a connection
async def test_where_a_thread_was_used_before_the_request_the_signals_go_there(trips):
    await sync_to_async(int)()
    trips.clear()

    app = DjangoASGI()
    await app.handle({"type": "http", "method": "GET", "path": "/plain/", "headers": []}, *await channels())

    assert len(trips) == 2


def test_where_a_sync_caller_waits_the_signals_go_to_its_thread(trips):
    assert async_to_sync(get)(DjangoASGI(), "plain") == (200, "plain")
    assert len(trips) == 2


async def channels():
    requests = asyncio.Queue()
    requests.put_nowait({"type": "http.request"})

    async def send(message):
        pass

    return requests.get, send


async def test_a_receiver_that_comes_later_is_heard(serve):
    app, heard = serve(), []
    await get(app, "plain")

    def finished(**named):
        heard.append(HERE())

    request_finished.connect(finished)
    try:
        await get(app, "plain")
    finally:
        request_finished.disconnect(finished)
    await get(app, "plain")

    assert len(heard) == 1
    assert heard[0] is not HERE()


@pytest.mark.parametrize("handler", [ASGIHandler, DjangoASGI])
async def test_a_request_that_cannot_be_read_is_answered_and_both_signals_are_sent(serve, heard, handler):
    assert await get(serve(handler), "plain", query_string=b"\xff") == (400, "")
    assert [which for which, _ in heard] == ["started", "finished"]


async def test_a_request_that_cannot_be_read_needs_no_thread(serve, trips):
    assert await get(serve(), "plain", query_string=b"\xff") == (400, "")
    assert trips == []


async def test_a_urlconf_that_a_view_has_chosen_ends_with_its_request(serve):
    app = serve()
    await get(app, "choose_a_urlconf")

    assert get_urlconf() is None


def test_the_application_is_made_as_django_makes_it():
    assert type(get_asgi_application()) is DjangoASGI
