"""Database threads: who gets which, healthy connections, and nothing left open."""

import asyncio
import threading
from contextvars import ContextVar

import pytest
from django.db import DatabaseError, ProgrammingError, connections, transaction

from events.database import (
    DatabaseThreads,
    database_answers,
    database_threads,
    default_size,
    described,
    tidy_connections,
)
from events.models import Lease
from events.transactions import aatomic
from tests.effects import aeffects, awrite, effects, write
from tests.waiting import until

WHO = ContextVar("who", default="nobody")


def ident():
    return threading.get_ident()


def ask(alias):
    """One query; returns the connection of Django that it used."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
    return connections[alias].connection


async def test_a_thread_is_lent_to_one_at_a_time_and_the_same_one_again():
    threads = DatabaseThreads(1)
    async with threads.borrowed() as thread:
        first = await thread.run(ident)
        second = asyncio.create_task(_ident_of_borrowed(threads))
        await asyncio.sleep(0)
        assert not second.done()

    assert await second == first != ident()
    await threads.close()


async def _ident_of_borrowed(threads):
    async with threads.borrowed() as thread:
        return await thread.run(ident)


async def test_there_are_at_most_so_many_threads():
    threads = DatabaseThreads(2)

    used = await asyncio.gather(*(_ident_of_borrowed(threads) for _ in range(20)))

    assert len(set(used)) <= 2
    await threads.close()


async def test_the_function_sees_the_callers_context_and_its_errors_come_back():
    WHO.set("me")
    async with database_threads(1) as threads, threads.borrowed() as thread:
        seen = await thread.run(WHO.get)
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 / 0)

    assert seen == "me"


async def test_after_a_cancellation_a_thread_is_lent_again_only_when_it_is_idle():
    started, may_end, used = threading.Event(), threading.Event(), []
    threads = DatabaseThreads(2)

    async def hang():
        async with threads.borrowed() as thread:
            await thread.run(lambda: (used.append(ident()), started.set(), may_end.wait(60)))

    hanging = asyncio.create_task(hang())
    assert await asyncio.to_thread(started.wait, 30)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    async with asyncio.timeout(30):  # behind the one that hangs it would wait for longer
        other = await _ident_of_borrowed(threads)
    may_end.set()
    await until(lambda: len(threads._idle) == 2)

    assert other not in used
    await threads.close()


async def test_a_connection_stays_open_although_its_maximum_age_is_zero(outbox_database):
    assert connections[outbox_database].settings_dict["CONN_MAX_AGE"] == 0

    async with database_threads(1) as threads, threads.borrowed() as thread:
        first = await thread.run(ask, outbox_database)
        again = await thread.run(ask, outbox_database)

    assert first is again


async def test_a_connection_that_broke_is_replaced_at_the_next_use(outbox_database):
    async with database_threads(1) as threads, threads.borrowed() as thread:
        first = await thread.run(ask, outbox_database)
        await thread.run(_break, outbox_database)

        again = await thread.run(ask, outbox_database)

    assert again is not first


def _break(alias):
    if connections[alias].vendor == "mysql":  # whose driver minds a connection that is closed twice
        with pytest.raises(Exception, match="interrupted|killed"), connections[alias].cursor() as cursor:
            cursor.execute("KILL CONNECTION_ID()")
    else:
        connections[alias].connection.close()
    with pytest.raises(Exception, match="closed|gone away|Lost connection"):
        ask(alias)
    if connections[alias].vendor == "sqlite":
        connections[alias].close()  # Django calls every connection of SQLite usable


async def test_all_connections_are_closed_in_the_end(outbox_database):
    async with database_threads(1) as threads, threads.borrowed() as thread:
        used = await thread.run(ask, outbox_database)

    with pytest.raises(Exception, match=r"closed|\(2006, ''\)"):
        used.cursor().execute("SELECT 1")


async def test_a_thread_that_hangs_is_left_alone_after_a_time_limit(caplog):
    started, may_end = threading.Event(), threading.Event()
    threads = DatabaseThreads(1)
    async with threads.borrowed() as thread:
        thread.submit(lambda: (started.set(), may_end.wait(60)))
        assert await asyncio.to_thread(started.wait, 30)

        await threads.close(within_s=0.05)

    assert "1 of 1 database threads still run a subscriber" in caplog.text
    assert "rolled back with the process, and the event comes again" in caplog.text
    may_end.set()
    await until(thread.ended.done)


async def test_a_closed_thread_takes_no_more_work():
    async with database_threads(1) as threads, threads.borrowed() as thread:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        thread.submit(ident)


async def test_async_blocks_on_two_threads_do_not_see_each_other(outbox_database):
    side_by_side = connections[outbox_database].vendor != "sqlite"  # which has one writer at a time
    both = asyncio.Barrier(2 if side_by_side else 1)

    async def work(threads, name):
        async with threads.borrowed() as thread, thread.context(), aatomic(outbox_database):
            before = await Lease.objects.using(outbox_database).acount()
            await awrite(name)
            await both.wait()
            seen = await Lease.objects.using(outbox_database).acount() - before
            await both.wait()  # or the one would count what the other has committed
            return seen

    async with database_threads(2) as threads:
        seen = await asyncio.gather(work(threads, "one"), work(threads, "two"))

    assert seen == [1, 1]
    assert await aeffects() == ["one", "two"]


def test_inside_a_transaction_connections_are_left_alone(outbox_database):
    with transaction.atomic(using=outbox_database):
        write("one")
        tidy_connections(idle=True)
        assert database_answers()
        write("two")

    assert effects() == ["one", "two"]


def test_sqlite_has_one_thread_and_others_as_many_as_the_settings_say(outbox_database, settings):
    settings.EVENTS = {**settings.EVENTS, "DATABASE_THREADS": 7}

    assert default_size() == (1 if connections[outbox_database].vendor == "sqlite" else 7)


def test_a_missing_table_is_told_with_what_creates_it(outbox_database):
    with pytest.raises(DatabaseError) as caught, transaction.atomic(using=outbox_database):
        connections[outbox_database].cursor().execute("SELECT * FROM kafka_events_absent")

    told = described(caught.value)

    assert "kafka_events_absent" in told
    assert told.endswith(": run manage.py migrate")
    assert "\n" not in told


def test_other_errors_of_the_database_get_no_advice():
    assert described(DatabaseError("the server closed\nthe connection")) == "the server closed the connection"
    assert described(DatabaseError()) == "DatabaseError"
    assert described(ProgrammingError("permission denied for table kafka_events_lease")).endswith("lease")
