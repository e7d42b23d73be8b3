"""Django's requests on lent threads: transactions, connections and languages of one are never those of another."""

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.core.handlers.asgi import ASGIHandler
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils import timezone, translation
from django.utils.decorators import sync_only_middleware

from events.conf import config
from events.request_connections import in_transaction, leave_clean, refresh
from events.transactions import aatomic
from lifespan.threads import RequestThreads
from tests.effects import elsewhere
from tests.waiting import until

THREADS = 3


def groups():
    return Group.objects.using(config().DATABASE)


def names(request):
    return HttpResponse(",".join(groups().order_by("name").values_list("name", flat=True)))


def crash_inside_a_transaction(request):
    transaction.atomic(using=config().DATABASE).__enter__()
    groups().create(name="never committed")
    raise RuntimeError("crashed")


def activate(request):
    seen = f"{translation.get_language()} {timezone.get_current_timezone_name()}"
    translation.activate("de")
    timezone.activate("Europe/Berlin")
    return HttpResponse(seen)


async def create_in_steps(request):
    name = request.GET["name"]
    async with aatomic(using=config().DATABASE):
        await groups().acreate(name=name)
        await asyncio.sleep(0)
        if name == "refused":
            raise RuntimeError("rolled back")
    return HttpResponse(str(await sync_to_async(in_transaction)()))


async def stream(request):
    gate = gates[request.GET["name"]]

    async def parts():
        async with aatomic(using=config().DATABASE):
            await groups().acreate(name="streamed")
            yield "inside"
            await gate.wait()
        yield "outside"
        gate.outside.set()
        await gate.left.wait()
        yield str(await groups().acount())

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


async def on_which_threads(request):
    inner = await sync_to_async(threading.get_ident)()
    again = await sync_to_async(async_to_sync(sync_to_async(threading.get_ident)))()
    return HttpResponse(str({request.middleware_ran_on, inner, again} == {inner}))


@sync_only_middleware
def sync_middleware(get_response):
    def middleware(request):
        request.middleware_ran_on = threading.get_ident()
        return get_response(request)

    return middleware


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (names, crash_inside_a_transaction, activate, create_in_steps, stream, on_which_threads)
]


class Gate(asyncio.Event):
    def __init__(self):
        super().__init__()
        self.outside, self.left = asyncio.Event(), asyncio.Event()


gates = {}


class Client:
    def __init__(self, app):
        self.app = app

    async def get(self, url, body=None):
        """GET it and return the body. A list given as `body` grows as the parts come."""
        asked, parts = False, [] if body is None else body

        async def receive():
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request"}

        async def send(message):
            parts.append(message.get("body", b"").decode())

        name, _, query = url.partition("?")
        scope = {"type": "http", "method": "GET", "path": f"/{name}/", "query_string": query.encode(), "headers": []}
        await asyncio.create_task(self.app(scope, receive, send))  # as servers do
        return "".join(parts)


@asynccontextmanager
async def serving(threads=THREADS):
    app = RequestThreads(
        ASGIHandler(),
        threads=threads,
        on_lend=refresh,
        in_use=in_transaction,
        on_return=leave_clean,
        on_thread_exit=connections.close_all,
    )
    try:
        yield Client(app)
    finally:
        await app.close()
        await until(lambda: not app._pool.threads)


@pytest.fixture
def database(outbox_database, settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    keep_connections(outbox_database, 0)
    connections[outbox_database].close()  # that of the test's own thread
    yield outbox_database
    groups().all().delete()
    connections[outbox_database].close()


def keep_connections(alias, seconds):
    connections.settings[alias] = {**connections.settings[alias], "CONN_MAX_AGE": seconds}


@pytest.fixture
def opened():
    """The threads that opened a connection, once for each."""
    made = []

    def note(connection, **rest):
        made.append(threading.current_thread().name)

    connection_created.connect(note)
    yield made
    connection_created.disconnect(note)


@pytest.mark.parametrize("age", [0, 60])
async def test_a_transaction_that_a_request_left_open_is_rolled_back_before_the_next(database, caplog, age):
    keep_connections(database, age)
    async with serving(threads=1) as client:
        await client.get("crash_inside_a_transaction")

        assert await client.get("names") == ""

    assert "left a transaction open" in caplog.text


async def test_connections_that_are_kept_are_as_many_as_threads_at_most(database, opened):
    """Django alone opens one for each request, and with `CONN_MAX_AGE` nobody ever closes them."""
    keep_connections(database, 60)
    async with serving() as client:
        await asyncio.gather(*(client.get("names") for _ in range(200)))

        assert 1 <= len(opened) <= THREADS
        # A connection that was closed is still counted for a moment: those of the tests before, and of who asks here.
        await until(lambda: elsewhere(partial(open_in_postgres, database)) <= THREADS)

    await until(lambda: elsewhere(partial(open_in_postgres, database)) == 0)


def open_in_postgres(alias):
    """How many connections to the database are open besides the one that asks; none can be asked of SQLite."""
    if connections[alias].vendor != "postgresql":
        return 0
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        [[count]] = cursor.fetchall()
    return count


async def test_a_connection_that_grew_too_old_between_two_requests_is_not_used_again(database, opened):
    keep_connections(database, 60)
    async with serving(threads=1) as client:
        client.app.app.handle = only_the_view  # without the signals of Django, which do the same
        await client.get("names")
        thread = client.app._pool.threads[0]
        thread.put(lambda: setattr(connections[database], "close_at", 0.0))
        await client.get("names")

    assert opened == ["request-1"] * 2


async def only_the_view(scope, receive, send):
    await sync_to_async(names)(None)


async def test_without_an_age_each_request_has_a_connection_of_its_own_as_ever(database, opened):
    async with serving(threads=1) as client:
        for _ in range(3):
            await client.get("names")

    assert opened == ["request-1"] * 3


async def test_transactions_of_requests_at_once_do_not_mix(database):
    async with serving() as client:
        made = ["a", "b", "refused", "c", "d"]
        answers = await asyncio.gather(*(client.get(f"create_in_steps?name={name}") for name in made))

        assert await client.get("names") == "a,b,c,d"
    assert [answer for answer in answers if answer == "False"] == ["False"] * 4


async def test_a_stream_keeps_its_thread_inside_a_transaction_and_only_there(database):
    gates["one"] = gate = Gate()
    async with serving(threads=1) as client:
        parts = []
        streaming = asyncio.ensure_future(client.get("stream?name=one", parts))
        await until(lambda: "inside" in parts)
        waiting = asyncio.ensure_future(client.get("names"))
        await until(lambda: client.app._pool.line)

        gate.set()

        assert await waiting == "streamed"
        await gate.outside.wait()
        assert await client.get("names") == "streamed"
        gate.left.set()
        assert await streaming == "insideoutside1"


async def test_a_stream_that_waits_holds_no_connection(database, opened):
    gates["two"] = gate = Gate()
    gate.set()
    async with serving(threads=1) as client:
        streaming = asyncio.ensure_future(client.get("stream?name=two"))
        await gate.outside.wait()
        thread = client.app._pool.threads[0]
        still_open = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        thread.put(lambda: loop.call_soon_threadsafe(still_open.set_result, connections[database].connection))

        assert await still_open is None
        gate.left.set()
        await streaming


async def test_language_and_time_zone_of_a_request_are_not_those_of_the_next(database, settings):
    async with serving(threads=1) as client:
        seen = {await client.get("activate") for _ in range(3)}

    assert seen == {f"{settings.LANGUAGE_CODE} {settings.TIME_ZONE}"}


async def test_sync_middleware_async_view_and_the_sync_code_below_meet_on_one_thread(database, settings):
    settings.MIDDLEWARE = [f"{__name__}.sync_middleware"]
    async with serving(threads=1) as client:
        assert await client.get("on_which_threads") == "True"
