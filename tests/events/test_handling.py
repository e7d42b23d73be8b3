"""From records to outcomes, on SQLite and PostgreSQL."""

import asyncio
import logging

import pytest
from django.db import OperationalError

from events import Reject, Retry, envelope_of
from events.core.outcome import DONE, Again, Outage
from events.core.retry import RetryPolicy
from events.database import database_threads
from tests.effects import AlsoHappened, Elsewhere, Happened, Shop, adead, aeffects, awrite, write


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
async def threads(outbox_database):
    async with database_threads() as threads:
        yield threads


def a(thing, number=0):
    return Happened(thing=thing, number=number)


async def test_a_sync_subscriber_has_its_effect_once(shop, threads):
    @shop.subscriber(Happened)
    def note(event):
        write(event.thing)

    record = shop.record(a("one"))
    handling = shop.handling(threads)

    outcomes = [await handling.handle([record]) for _ in range(2)]

    assert outcomes == [[DONE], [DONE]]
    assert await aeffects() == ["one"]


async def test_an_async_subscriber_has_its_effect_once(shop, threads):
    @shop.subscriber(Happened)
    async def note(event):
        await awrite(event.thing)

    record = shop.record(a("one"))
    handling = shop.handling(threads)

    outcomes = [await handling.handle([record]) for _ in range(2)]

    assert outcomes == [[DONE], [DONE]]
    assert await aeffects() == ["one"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_error_undoes_the_effect_and_the_next_attempt_has_it(shop, threads, kind):
    failures = iter([True, False])

    def fail_once():
        if next(failures):
            raise ValueError("not yet")

    @shop.subscriber(Happened, name="note")
    def note(event):
        write(event.thing)
        fail_once()

    @shop.subscriber(Happened, name="anote")
    async def anote(event):
        await awrite(event.thing)
        fail_once()

    del shop.registry.subscribers[1 if kind == "sync" else 0]
    record, handling = shop.record(a("one")), shop.handling(threads)

    first = await handling.handle([record])
    between = await aeffects()
    second = await handling.handle([record])

    assert (first, between, second) == ([Again(0.5)], [], [DONE])
    assert await aeffects() == ["one"]


async def test_a_cancelled_async_subscriber_leaves_nothing_behind(shop, threads):
    written = asyncio.Event()

    @shop.subscriber(Happened)
    async def note(event):
        await awrite(event.thing)
        written.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(shop.handling(threads).handle([shop.record(a("one"))]))
    await written.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await aeffects() == []


async def test_a_cancellation_that_a_subscriber_makes_up_is_a_failed_attempt(shop, threads):
    @shop.subscriber(Happened)
    async def note(event):
        raise asyncio.CancelledError

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]


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


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_batch_is_one_call_and_one_transaction(shop, threads, kind):
    calls = []

    @shop.subscriber(Happened, batch=10, name="note")
    def note(events):
        calls.append([event.number for event in events])
        write(str(len(events)))

    @shop.subscriber(Happened, batch=10, name="anote")
    async def anote(events):
        calls.append([event.number for event in events])
        await awrite(str(len(events)))

    del shop.registry.subscribers[1 if kind == "sync" else 0]
    records = [shop.record(a("one", number)) for number in range(3)]
    twice = [*records, shop.record(a("x"), value=records[0].value, headers=records[0].headers, key=records[0].key)]

    outcomes = await shop.handling(threads).handle(twice)

    assert outcomes == [DONE] * 4
    assert calls == [[0, 1, 2]]
    assert await aeffects() == ["3"]


async def test_a_poison_record_does_not_sink_the_batch_it_is_in(shop, threads):
    calls = []

    @shop.subscriber(Happened, batch=10)
    def note(events):
        calls.append([event.thing for event in events])
        for event in events:
            write(event.thing)
        if any(event.thing == "poison" for event in events):
            raise ValueError("poison")

    first = [shop.record(a(thing)) for thing in ("one", "poison", "two")]
    handling = shop.handling(threads)

    outcomes = await handling.handle(first)
    later = await handling.handle([first[1], shop.record(a("three")), shop.record(a("four"))])

    assert outcomes == [DONE, Again(0.5), DONE]
    assert later == [Again(1.0), DONE, DONE]
    assert await aeffects() == ["four", "one", "three", "two"]
    assert calls == [["one", "poison", "two"], ["one"], ["poison"], ["two"], ["poison"], ["three", "four"]]


async def test_in_a_batch_later_events_of_a_key_wait_for_the_one_that_failed(shop, threads):
    seen = []

    @shop.subscriber(Happened, batch=10)
    def note(events):
        if any((event.thing, event.number) == ("held", 1) for event in events):
            raise ValueError
        seen.extend((event.thing, event.number) for event in events)

    records = [shop.record(a(*which)) for which in (("held", 0), ("held", 1), ("free", 0), ("held", 2))]
    handling = shop.handling(threads)

    outcomes = await handling.handle(records)

    assert outcomes == [DONE, Again(0.5), DONE, Again(0.5)]
    assert seen == [("held", 0), ("free", 0)]
    assert handling.attempts.count(records[3], "note") == 0


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_without_a_transaction_it_is_called_again_for_a_record_that_comes_again(shop, threads, kind):
    calls = []
    if kind == "sync":
        shop.subscriber(Happened, atomic=False, name="note")(lambda event: calls.append(event.thing))
    else:

        @shop.subscriber(Happened, atomic=False)
        async def note(event):
            calls.append(envelope_of(event).event.thing)

    record, (group,) = shop.record(a("one")), shop.registry.groups("shop").values()
    handling = shop.handling(threads)

    await handling.handle([record])
    await handling.handle([record])

    assert calls == ["one", "one"]
    assert group.name == "shop.note"


async def test_a_subscriber_finds_the_envelope_of_its_event(shop, threads):
    seen = []

    @shop.subscriber(Happened)
    def note(event):
        seen.append(envelope_of(event).place)

    record = shop.record(a("one"))
    await shop.handling(threads).handle([record])

    assert seen == [record.place]


async def test_a_function_that_returns_an_awaitable_is_a_failure_and_not_silently_lost(shop, threads, caplog):
    async def really(event):
        await awrite("one")

    @shop.subscriber(Happened)
    def note(event):
        return really(event)

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]
    assert "make it `async def`" in caplog.text


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


async def test_after_an_outage_what_was_done_without_a_transaction_is_not_done_again(shop, threads, monkeypatch):
    calls = []

    def fail(row):
        raise OperationalError("disk full")

    @shop.subscriber(Happened, batch=10, atomic=False)
    def note(events):
        if any(event.thing == "bad" for event in events):
            raise Reject
        calls.extend(event.thing for event in events)

    handling, records = shop.handling(threads), [shop.record(a("good")), shop.record(a("bad"))]
    with monkeypatch.context() as patched:
        patched.setattr("events.handling.bury", fail)
        first = await handling.handle(records)
    second = await handling.handle(records)

    assert [type(outcome) for outcome in first] == [Outage, Outage]
    assert second == [DONE, DONE]
    assert calls == ["good"]


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


async def test_a_line_about_a_record_carries_its_facts_and_not_its_value(shop, threads, caplog):
    caplog.set_level(logging.DEBUG, "events.handling")

    @shop.subscriber(Happened)
    def note(event):
        if event.number:
            raise Reject("no")

    good, bad = shop.record(a("secret-thing")), shop.record(a("secret-thing", 1), key=b"k")
    await shop.handling(threads).handle([good, bad])

    handled, buried = (line for line in caplog.records if line.name == "events.handling")
    expected = {"event_type": "Happened", "key": "k", "topic": "effects", "partition": 0, "subscriber": "note"}
    assert {name: getattr(buried, name) for name in expected} == expected
    assert (buried.offset, buried.levelname, handled.levelname) == (bad.offset, "ERROR", "DEBUG")
    assert buried.event_id == bad.header("ce_id").decode()
    assert "secret" not in handled.getMessage() + buried.getMessage()
