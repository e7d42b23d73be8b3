"""From records to calls of a broadcast subscriber: once, whatever becomes of it; what is not for it is counted."""

import asyncio
import logging
import threading

import pytest

from events import Reject, Retry
from events.core.envelope import envelope_of
from events.hearing import Hearing
from tests.effects import AlsoHappened, Happened, a, adead, aeffects, write


@pytest.fixture
def hearing(shop, threads):
    """The hearing of the only broadcast subscriber."""

    def of(function, *events):
        shop.subscriber(*(events or (Happened,)), broadcast=True, name="push")(function)
        return Hearing(shop.registry.broadcasts()["push"], shop.codec, threads)

    return of


async def test_a_sync_subscriber_runs_in_a_thread_outside_of_a_transaction(shop, hearing):
    seen = []

    def push(event):
        seen.append((event.thing, envelope_of(event).key, threading.current_thread() is threading.main_thread()))
        write(event.thing)
        raise ValueError("what it wrote stays: there is no transaction")

    await hearing(push).hear(shop.record(a("one")))

    assert seen == [("one", "one", False)]
    assert await aeffects() == ["one"]


async def test_an_async_subscriber_runs_on_the_loop(shop, hearing):
    seen = []

    async def push(event):
        seen.append((event, asyncio.get_running_loop()))

    await hearing(push).hear(shop.record(a("one")))

    assert seen == [(a("one"), asyncio.get_running_loop())]


def fails_with(error):
    def push(event):
        raise error

    return push


@pytest.mark.parametrize(
    "error", [ValueError("no"), Retry("later", after_s=1), Reject("never"), asyncio.CancelledError(), SystemExit(1)]
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_an_event_on_which_it_fails_is_logged_and_dropped(shop, hearing, caplog, error, asynchronous):
    async def apush(event):
        raise error

    listening = hearing(apush if asynchronous else fails_with(error))
    record = shop.record(a("one"))

    await listening.hear(record)

    (line,) = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert (line.event_type, line.key, line.subscriber) == ("Happened", "one", "push")
    assert (line.topic, line.partition, line.offset) == record.place
    assert line.event_id
    assert (listening.dropped, await adead()) == (1, [])


async def test_what_is_not_for_it_is_counted_and_said_once_for_each_kind(shop, hearing, caplog):
    caplog.set_level(logging.DEBUG, "events.handling")
    calls = []
    listening = hearing(calls.append)
    not_for_it = [
        shop.record(AlsoHappened(thing="another")),
        shop.record(a("no type"), headers=()),
        shop.record(a("no JSON"), value=b"{"),
        shop.record(a("no thing"), value=b"{}"),
    ]

    for record in not_for_it * 2:
        await listening.hear(record)

    assert listening.skipped == {"unwanted": 2, "untyped": 2, "json": 2, "schema": 2}
    levels = [line.levelno for line in caplog.records]
    assert levels == [logging.DEBUG, logging.WARNING, logging.WARNING, logging.WARNING]
    assert (calls, await adead()) == ([], [])


async def test_an_error_of_a_class_of_its_own_is_a_record_that_does_not_fit(shop, hearing, monkeypatch, caplog):
    class Odd(Exception):
        def __str__(self):
            raise ValueError("no text")

    def decode(*_):
        raise Odd

    listening = hearing(lambda event: None)
    monkeypatch.setattr(type(shop.codec), "decode", decode)

    await listening.hear(shop.record(a("one")))

    assert listening.skipped == {"schema": 1}
    assert "Odd, whose text cannot be made" in caplog.text


async def test_a_cancellation_goes_through(shop, hearing):
    async def push(event):
        await asyncio.Event().wait()

    task = asyncio.create_task(hearing(push).hear(shop.record(a("one"))))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))

    assert task.cancelled()


async def test_what_it_heard_is_a_line_at_debug(shop, hearing, caplog):
    caplog.set_level(logging.DEBUG, "events.handling")

    await hearing(lambda event: None).hear(shop.record(a("one")))

    assert [(line.levelno, line.subscriber) for line in caplog.records] == [(logging.DEBUG, "push")]
