"""The lease, on SQLite, PostgreSQL and MariaDB, with two real connections."""

import asyncio
from contextlib import nullcontext
from itertools import chain

import pytest
from django.db import Error, OperationalError, connections

from events import lease
from events.conf import config
from events.core.errors import LeaseLost
from events.database import DatabaseThread
from events.deadlock import MYSQL_DEADLOCK
from events.lease import HeldLease, holder
from tests.waiting import until


@pytest.fixture
def one(database_thread):
    return HeldLease(database_thread, 60)


@pytest.fixture
def other(other_thread):
    return HeldLease(other_thread, 60)


async def test_only_one_of_two_that_try_at_once_takes_it(one, other):
    taken = await asyncio.gather(one.take(), other.take())

    assert sorted(taken) == [False, True]
    assert (one.left_s > 0) != (other.left_s > 0)


async def test_a_deadlock_over_the_first_row_is_no_error_on_mysql(outbox_database, one, monkeypatch):
    plain, tried = lease._create, []

    def victim_at_first(name):
        tried.append(name)
        if len(tried) == 1:
            raise OperationalError(MYSQL_DEADLOCK, "Deadlock found")
        return plain(name)

    monkeypatch.setattr(lease, "_create", victim_at_first)
    usual = pytest.raises(OperationalError)  # elsewhere it is another error with the same number

    with nullcontext() if connections[outbox_database].vendor == "mysql" else usual:
        assert await one.take()


async def test_never_two_hold_it_in_a_long_fight(database_thread, other_thread):
    rivals = [HeldLease(thread, 0.2) for thread in (database_thread, other_thread, database_thread, other_thread)]
    held_by = []

    async def fight(rival):
        turns = 0
        while len(held_by) < 100 or len(set(chain.from_iterable(held_by))) < 3:
            turns += await rival.hold()
            if holders := [one for one in rivals if one.left_s]:
                held_by.append(holders)
            # Now and then who has it stands still until it has ended: so others get it.
            await asyncio.sleep(0.25 if turns % 20 == 19 else 0.001)

    async with asyncio.timeout(120):
        await asyncio.gather(*map(fight, rivals))

    assert {len(holders) for holders in held_by} == {1}


async def test_it_goes_to_the_other_when_it_has_ended(database_thread, other):
    dead = HeldLease(database_thread, 0.5)
    await dead.take()

    too_early = await other.take() and dead.left_s > 0  # if the machine stands still meanwhile, it has ended
    await until(lambda: not dead.left_s)
    await asyncio.wait_for(other.hold_at_last(), 30)

    assert not too_early
    assert await database_thread.run(holder) == other.owner


async def test_the_time_zone_of_a_connection_changes_nothing(one, other, database_thread, other_thread):
    await database_thread.run(_live_in, "-08:00")
    await other_thread.run(_live_in, "+08:00")

    taken = [await one.take(), await other.take(), await one.take()]

    assert taken == [True, False, True]
    assert await other_thread.run(holder) == one.owner


def _live_in(zone):
    connection = connections[config().DATABASE]
    statement = {"postgresql": "SET TIME ZONE %s", "mysql": "SET time_zone = %s"}.get(connection.vendor)
    if statement:  # SQLite knows no zones
        with connection.cursor() as cursor:
            cursor.execute(statement, [zone])


async def test_released_it_is_free_at_once(one, other, database_thread):
    await one.take()

    await one.release()

    assert not one.left_s
    assert await database_thread.run(holder) == ""
    assert await other.take()


async def test_who_does_not_hold_it_cannot_release_it(one, other, database_thread):
    await one.take()

    await other.release()

    assert await database_thread.run(holder) == one.owner


async def test_it_is_asked_for_only_when_that_is_due(one, monkeypatch):
    await one.hold()
    monkeypatch.setattr(lease, "take", None)

    assert await one.hold()
    assert 0 < one.due_s < one.left_s < 60


async def test_work_ends_with_it(one):
    await one.take()

    assert await one.during(asyncio.sleep(0, "done")) == "done"


async def test_with_no_lease_left_the_work_does_not_begin(database_thread):
    short, begun = HeldLease(database_thread, 0.05), []
    await short.take()
    await until(lambda: not short.left_s)

    async def work():
        begun.append(True)

    with pytest.raises(LeaseLost, match="before the work began"):
        await short.during(work())

    assert begun == []


@pytest.fixture
async def short(monkeypatch):
    """A lease of a few seconds that is held, and is not asked of a database; its thread."""
    thread = DatabaseThread("short")
    monkeypatch.setattr(lease, "take", lambda *_, **__: True)
    short = HeldLease(thread, 2)
    await short.take()
    yield short, thread
    thread.shutdown(wait=False)
    await until(thread.ended.done)


async def test_work_is_cancelled_in_time_when_the_database_is_away(short, monkeypatch):
    def fails(*_, **__):
        raise Error("away")

    monkeypatch.setattr(lease, "take", fails)
    endless = asyncio.get_running_loop().create_future()

    with pytest.raises(LeaseLost, match="away"):
        await short[0].during(_wait_for(endless))

    assert endless.cancelled()


async def test_work_is_cancelled_in_time_when_the_database_hangs(short, monkeypatch):
    held, thread = short
    hangs, loop = asyncio.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(lease, "take", lambda *_, **__: asyncio.run_coroutine_threadsafe(hangs.wait(), loop).result())

    with pytest.raises(LeaseLost, match="does not answer"):
        await held.during(asyncio.sleep(60))

    hangs.set()
    await until(thread.last.done)


async def _wait_for(future):
    await future
