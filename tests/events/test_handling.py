"""From records to outcomes, on SQLite and PostgreSQL."""

import asyncio
import sys

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from events import Event, Reject, Retry
from events.core.outcome import DONE, Again, Outage
from events.core.retry import RetryPolicy
from tests.effects import AlsoHappened, Elsewhere, Happened, a, adead, aeffects, write


async def test_a_cancellation_that_a_subscriber_makes_up_is_a_failed_attempt(shop, threads):
    @shop.subscriber(Happened)
    async def note(event):
        raise asyncio.CancelledError

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_subscriber_that_exits_has_failed_and_the_process_goes_on(shop, threads, asynchronous):
    def leave(event):
        write(event)
        sys.exit("enough")

    async def aleave(event):
        await sync_to_async(leave)(event)

    shop.subscriber(Happened, name="note")(aleave if asynchronous else leave)

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]
    assert await aeffects() == []


async def test_after_the_last_attempt_the_record_is_a_dead_letter(shop, threads, caplog):
    @shop.subscriber(Happened)
    def note(event):
        raise ValueError("never")

    record, handling = shop.record(a("one")), shop.handling(threads)

    outcomes = [(await handling.handle([record]))[0] for _ in range(3)]

    assert outcomes == [Again(0.5), Again(1.0), DONE]
    (letter,) = await adead()
    assert (letter.reason, letter.subscriber, letter.group, letter.attempts) == ("failed", "note", "shop", 3)
    assert letter.record().value == record.value
    assert letter.record().headers == record.headers
    assert "ValueError: never" in letter.traceback


async def test_rejected_is_a_dead_letter_at_once(shop, threads):
    @shop.subscriber(Happened)
    def note(event):
        write("undone")
        raise Reject("no such thing")

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [DONE]
    (letter,) = await adead()
    assert (letter.reason, letter.error_message, letter.attempts) == ("rejected", "no such thing", 1)
    assert await aeffects() == []


async def test_retry_says_itself_when(shop, threads):
    @shop.subscriber(Happened)
    def note(event):
        raise Retry(after_s=7) if event.number else Retry()

    handling = shop.handling(threads)

    outcomes = [(await handling.handle([shop.record(a("one", number))]))[0] for number in (0, 1)]

    assert outcomes == [Again(0.5), Again(7)]


async def test_retry_waits_no_longer_than_the_settings_allow(shop, threads):
    waits = iter([3600, float("inf"), -1])

    @shop.subscriber(Happened)
    def note(event):
        raise Retry(after_s=next(waits))

    handling = shop.handling(threads)

    outcomes = [(await handling.handle([shop.record(a("one"))]))[0] for _ in range(3)]

    assert outcomes == [Again(30), Again(30), Again(0)]


ODD_HEADERS = (("h", None), ("ce_id", None), ("nul\0", b"\0"), ("", None), ("half \ud800", b"\xff"), ("é", b""))


@pytest.mark.parametrize("value", [b"{", None])
async def test_odd_headers_of_what_is_no_event_block_nothing(shop, threads, value):
    shop.subscriber(Happened, name="note")(write)
    record = shop.record(a("one"), value=value, headers=(("ce_type", b"Happened"), *ODD_HEADERS))

    outcomes = await shop.handling(threads).handle([record])

    assert outcomes == [DONE]
    assert [letter.record().headers for letter in await adead()] == [record.headers]


async def test_odd_headers_of_an_event_that_fails_block_nothing(shop, threads):
    @shop.subscriber(Happened)
    def note(event):
        raise Reject

    record = shop.record(a("one"))
    odd = shop.record(a("one"), headers=(*record.headers, *ODD_HEADERS))

    outcomes = await shop.handling(threads).handle([odd])

    assert outcomes == [DONE]
    assert [letter.record().headers for letter in await adead()] == [odd.headers]


async def test_headers_that_cannot_be_held_at_all_leave_a_bare_dead_letter(shop, threads):
    shop.subscriber(Happened, name="note")(write)
    record = shop.record(a("one"), value=b"{", headers=(("ce_type", b"Happened"), (5, b"x")))

    outcomes = await shop.handling(threads).handle([record])

    assert outcomes == [DONE]
    (letter,) = await adead()
    assert (letter.reason, letter.headers, letter.record().value) == ("schema", [], b"{")


async def test_an_error_of_the_class_itself_whose_text_cannot_be_made_blocks_nothing(shop, threads):
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

    class Picky(Event, topic="picky"):
        def __post_init__(self):
            if not published:
                raise Nasty

    shop.subscriber(Picky, name="note")(write)
    published = True
    record = shop.record(Picky())
    published = False

    outcomes = await shop.handling(threads).handle([record])

    assert outcomes == [DONE]
    assert "Nasty" in (await adead())[0].error_message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": b"{"}, "json"),
        ({"value": None}, "json"),
        ({"value": b'{"thing": 1}'}, "schema"),
        ({"headers": ()}, "untyped"),
    ],
)
async def test_what_is_no_event_is_a_dead_letter_with_its_bytes(shop, threads, changes, reason):
    shop.subscriber(Happened, name="note")(write)
    record = shop.record(a("one"), **changes)

    outcomes = await shop.handling(threads).handle([record])

    assert outcomes == [DONE]
    (letter,) = await adead()
    assert (letter.reason, letter.subscriber) == (reason, "")
    assert letter.record().value == record.value
    assert letter.record().key == record.key


async def test_a_record_that_comes_again_is_buried_once(shop, threads):
    shop.subscriber(Happened, name="note")(write)
    handling = shop.handling(threads)
    record = shop.record(a("one"), value=b"{")

    outcomes = [await handling.handle([record]) for _ in range(2)]

    assert outcomes == [[DONE], [DONE]]
    assert len(await adead()) == 1


async def test_what_the_group_does_not_want_is_skipped_and_counted_even_if_it_is_no_event(shop, threads):
    shop.subscriber(Happened, name="note")(write)
    handling = shop.handling(threads)
    unwanted = [shop.record(AlsoHappened(thing="one")), shop.record(AlsoHappened(thing="two"), value=b"{")]

    outcomes = await handling.handle(unwanted)

    assert outcomes == [DONE, DONE]
    assert handling.unwanted == 2
    assert await adead() == []


async def test_a_subscriber_that_is_through_is_not_called_again_for_anothers_failure(shop, threads):
    calls = []

    @shop.subscriber(Happened)
    def good(event):
        calls.append("good")
        write("good")

    @shop.subscriber(Happened)
    def bad(event):
        calls.append("bad")
        if calls.count("bad") == 1:
            raise ValueError

    @shop.subscriber(Elsewhere)
    def other(event):
        calls.append("other")

    record, handling = shop.record(a("one")), shop.handling(threads)

    outcomes = [await handling.handle([record]) for _ in range(2)]

    assert outcomes == [[Again(0.5)], [DONE]]
    assert calls == ["good", "bad", "bad"]


async def test_one_buried_subscriber_does_not_bury_the_others(shop, threads):
    @shop.subscriber(Happened)
    def bad(event):
        raise Reject

    @shop.subscriber(Happened)
    def good(event):
        write("good")

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [DONE]
    assert [letter.subscriber for letter in await adead()] == ["bad"]
    assert await aeffects() == ["good"]


async def test_a_database_error_while_the_database_answers_is_an_attempt(shop, threads):
    @shop.subscriber(Happened)
    def note(event):
        raise OperationalError("deadlock detected")

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]


async def test_a_dead_letter_that_cannot_be_written_is_an_outage(shop, threads, monkeypatch):
    def fail(row):
        raise OperationalError("disk full")

    monkeypatch.setattr("events.handling.bury", fail)
    shop.subscriber(Happened, name="note")(write)

    outcomes = await shop.handling(threads).handle([shop.record(a("one")), shop.record(a("two"), value=b"{")])

    assert outcomes == [Outage("a dead letter cannot be written: OperationalError: disk full")] * 2


async def test_an_error_whose_text_cannot_be_made_is_buried_too(shop, threads):
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

    @shop.subscriber(Happened)
    def note(event):
        raise Nasty

    outcomes = await shop.handling(threads, RetryPolicy(attempts=1)).handle([shop.record(a("one"))])

    assert outcomes == [DONE]
    assert "Nasty" in (await adead())[0].error_message


async def test_a_fault_of_our_own_is_an_outage_and_nothing_is_lost(shop, threads, monkeypatch, caplog):
    shop.subscriber(Happened, name="note")(write)
    handling = shop.handling(threads)
    monkeypatch.setattr(handling, "_decode", None)

    outcomes = await handling.handle([shop.record(a("one"))])

    assert outcomes == [Outage("a fault in events: TypeError")]
    assert "a fault in events" in caplog.text
