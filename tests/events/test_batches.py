"""Subscribers that take lists: one call, one transaction, and a poison record among good ones."""

import pytest
from django.db import OperationalError

from events import Reject
from events.core.outcome import DONE, Again, Outage
from tests.effects import Happened, a, aeffects, awrite, write


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


async def test_a_line_about_a_batch_carries_the_facts_of_its_first_record(shop, threads, caplog):
    @shop.subscriber(Happened, batch=10)
    def note(events):
        if len(events) > 1:
            raise ValueError

    records = [shop.record(a("one", number)) for number in (1, 2)]

    await shop.handling(threads).handle(records)

    [line] = [one for one in caplog.records if "batch of 2" in one.getMessage()]
    assert (line.event_type, line.topic, line.offset, line.subscriber) == ("Happened", "effects", 0, "note")
    assert (line.key, line.event_id) == ("one", records[0].header("ce_id").decode())


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
