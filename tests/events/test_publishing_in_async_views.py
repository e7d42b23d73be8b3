"""`aatomic` and `apublish` in async views, under Django's own ASGI handler, on SQLite and PostgreSQL."""

import asyncio
from contextlib import suppress

import pytest
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

from events import Event
from events.conf import config
from events.models import OutboxRecord
from events.publishing import aatomic, apublish


class Viewed(Event, topic="async-views", key="name"):
    name: str


class Meeting:
    """Where views wait for the test, or for each other."""

    def __init__(self, parties):
        self.all_here, self.parties, self.left = asyncio.Barrier(parties), parties, asyncio.Event()


meeting = Meeting(1)


async def commits(request, name):
    async with aatomic(config().DATABASE):
        await apublish(Viewed(name=name))
    return HttpResponse("done")


async def fails(request, name):
    async with aatomic(config().DATABASE):
        await apublish(Viewed(name=name))
        raise ZeroDivisionError


async def nests(request, name):
    async with aatomic(config().DATABASE):
        await apublish(Viewed(name=f"{name}-outer"))
        with suppress(ZeroDivisionError):
            async with aatomic(config().DATABASE):
                await apublish(Viewed(name=f"{name}-inner"))
                raise ZeroDivisionError
    return HttpResponse("done")


async def meets(request, name):
    """Everybody has a transaction open before anybody goes on; odd names fail then."""
    async with aatomic(config().DATABASE):
        await apublish(Viewed(name=name))
        await meeting.all_here.wait()
        if int(name) % 2:
            raise ZeroDivisionError
    return HttpResponse("done")


async def hangs(request, name):
    try:
        async with aatomic(config().DATABASE):
            await apublish(Viewed(name=name))
            await meeting.all_here.wait()
            await asyncio.Event().wait()
    finally:
        meeting.left.set()


async def gathers(request, name):
    """Two tasks of one view, each with a block; the second one fails."""
    entered, done = asyncio.Event(), asyncio.Event()

    async def first():
        async with aatomic(config().DATABASE):
            await apublish(Viewed(name=f"{name}-first"))
            entered.set()
            await done.wait()

    async def second():
        await entered.wait()
        try:
            async with aatomic(config().DATABASE):
                await apublish(Viewed(name=f"{name}-second"))
                done.set()
                raise ZeroDivisionError
        finally:
            done.set()

    results = await asyncio.gather(first(), second(), return_exceptions=True)
    return HttpResponse(status=200 if results[0] is None and "around both" in str(results[1]) else 500)


async def forgets(request, name):
    await apublish(Viewed(name=name))
    return HttpResponse("done")


urlpatterns = [
    path(f"{view.__name__}/<name>/", view) for view in (commits, fails, nests, meets, hangs, gathers, forgets)
]


@pytest.fixture
def get(outbox_database, settings):
    """Make a request to a view of this file and return the status."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    application = get_asgi_application()

    async def get(view, name, gone=None):
        return await _request(application, f"/{view.__name__}/{name}/", gone)

    return get


async def _request(application, where, gone):
    status, body = [], [{"type": "http.request", "body": b""}]

    async def receive():
        if body:
            return body.pop()
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(event):
        if event["type"] == "http.response.start":
            status.append(event["status"])

    scope = {"type": "http", "method": "GET", "path": where, "headers": [], "query_string": b"", "http_version": "1.1"}
    await application({**scope, "asgi": {"version": "3.0"}, "server": ("test", 80)}, receive, send)
    return status[0] if status else None


def keys(alias):
    return sorted(bytes(row.key).decode() for row in OutboxRecord.objects.using(alias))


async def test_an_async_view_publishes_when_it_commits(get, outbox_database, database_thread):
    assert await get(commits, "a") == 200

    assert await database_thread.run(keys, outbox_database) == ["a"]


async def test_an_error_in_the_view_publishes_nothing(get, outbox_database, database_thread):
    assert await get(fails, "a") == 500

    assert await database_thread.run(keys, outbox_database) == []


async def test_an_inner_block_that_fails_takes_only_its_own_along(get, outbox_database, database_thread):
    assert await get(nests, "a") == 200

    assert await database_thread.run(keys, outbox_database) == ["a-outer"]


async def test_five_requests_at_once_do_not_see_each_other(get, outbox_database, database_thread, monkeypatch):
    one_writer = outbox_database.endswith("sqlite")  # there each waits until the one before has ended
    monkeypatch.setattr(f"{__name__}.meeting", Meeting(1 if one_writer else 5))

    statuses = await asyncio.gather(*(get(meets, str(name)) for name in range(5)))

    assert statuses == [200, 500, 200, 500, 200]
    assert await database_thread.run(keys, outbox_database) == ["0", "2", "4"]


async def test_a_client_that_goes_away_rolls_back(get, outbox_database, database_thread, monkeypatch):
    monkeypatch.setattr(f"{__name__}.meeting", here := Meeting(2))
    gone = asyncio.Event()
    request = asyncio.create_task(get(hangs, "a", gone))
    await here.all_here.wait()

    gone.set()
    await here.left.wait()
    await asyncio.wait({request})

    assert await database_thread.run(keys, outbox_database) == []


async def test_of_two_tasks_of_one_view_the_second_block_is_refused_and_the_first_one_kept(
    get, outbox_database, database_thread
):
    assert await get(gathers, "a") == 200

    assert await database_thread.run(keys, outbox_database) == ["a-first"]


async def test_outside_a_block_it_raises(get, outbox_database, database_thread, caplog):
    assert await get(forgets, "a") == 500

    assert "async with aatomic" in caplog.text
    assert await database_thread.run(keys, outbox_database) == []
