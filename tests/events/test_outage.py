"""PostgreSQL or MariaDB goes away and comes back: no attempt is spent, nothing is buried, the effect comes once."""

import pytest
from django.db import transaction

from events.core.outcome import DONE, Outage
from events.core.retry import RetryPolicy
from tests.databases import ON_SERVERS
from tests.effects import Happened, aeffects, awrite, write

NO_SECOND_CHANCE = RetryPolicy(attempts=1)


@pytest.fixture
def server(request, outbox_database):
    """The server of this test's database. When the test ends it runs again."""
    server = request.getfixturevalue(f"{outbox_database.removeprefix('outbox_')}_server")
    yield server
    server.start()


@pytest.mark.parametrize("outbox_database", ON_SERVERS, indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_outage_is_not_a_failure_of_the_event(shop, threads, server, kind):
    if kind == "sync":
        shop.subscriber(Happened, name="note")(lambda event: write(event.thing))
    else:

        @shop.subscriber(Happened)
        async def note(event):
            await awrite(event.thing)

    handling = shop.handling(threads, NO_SECOND_CHANCE)
    before, during = shop.record(Happened(thing="before")), shop.record(Happened(thing="during"))
    undecodable = shop.record(Happened(thing="bad"), value=b"{")
    assert await handling.handle([before]) == [DONE]

    server.stop()
    outcomes = await handling.handle([during]) + await handling.handle([during]) + await handling.handle([undecodable])
    server.start()

    assert [type(outcome) for outcome in outcomes] == [Outage, Outage, Outage]
    assert handling.attempts.count(during, "note") == 0
    assert await handling.handle([during]) == [DONE]
    assert await aeffects() == ["before", "during"]


@pytest.mark.parametrize("outbox_database", ON_SERVERS, indirect=True)
async def test_a_subscriber_that_runs_while_the_database_goes_away_is_handed_the_event_again(shop, threads, server):
    calls = []

    @shop.subscriber(Happened)
    def note(event):
        calls.append(event.thing)
        write("first" if len(calls) == 1 else "second")
        if len(calls) == 1:
            server.stop()

    handling, record = shop.handling(threads, NO_SECOND_CHANCE), shop.record(Happened(thing="one"))

    first = await handling.handle([record])
    server.start()
    second = await handling.handle([record])

    assert isinstance(first[0], Outage)
    assert second == [DONE]
    assert await aeffects() == ["second"]


@pytest.mark.parametrize("outbox_database", ON_SERVERS, indirect=True)
async def test_a_connection_that_was_cut_while_idle_is_no_failure_either(shop, threads, outbox_database, monkeypatch):
    monkeypatch.setattr("events.database.IDLE_S", 0.0)
    shop.subscriber(Happened, name="note")(lambda event: write(event.thing))
    handling = shop.handling(threads, NO_SECOND_CHANCE)
    await handling.handle([shop.record(Happened(thing="one"))])

    async with threads.borrowed() as thread, threads.borrowed() as other:
        mine = await thread.run(_backend, outbox_database)
        await other.run(_cut, outbox_database, mine)
        assert await other.run(_backend, outbox_database) != mine
    outcomes = await handling.handle([shop.record(Happened(thing="two"))])

    assert outcomes == [DONE]
    assert await aeffects() == ["one", "two"]


def _backend(alias):
    connection = transaction.get_connection(alias)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT connection_id()")
        return cursor.fetchone()[0]


def _cut(alias, backend):
    connection = transaction.get_connection(alias)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        else:
            cursor.execute("KILL %s", [backend])
