"""Each kind of subscriber is called as it was declared, on SQLite and PostgreSQL."""

import asyncio

import pytest
from django.db.transaction import TransactionManagementError

from events import envelope_of
from events.core.outcome import DONE, Again
from events.transactions import aatomic
from tests.effects import Happened, a, aeffects, awrite, write


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


async def test_two_tasks_of_an_async_subscriber_cannot_open_crossing_blocks(shop, threads, outbox_database):
    entered, refused, said = asyncio.Event(), asyncio.Event(), []

    async def first():
        async with aatomic(outbox_database):
            await awrite("first")
            entered.set()
            await refused.wait()

    async def second():
        await entered.wait()
        try:
            async with aatomic(outbox_database):
                await awrite("second")
        except TransactionManagementError as error:
            said.append(str(error))
        refused.set()

    @shop.subscriber(Happened)
    async def note(event):
        await asyncio.gather(first(), second())

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [DONE]
    assert "one after the other" in said[0]
    assert await aeffects() == ["first"]


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


@pytest.mark.parametrize("kind", ["generator", "async generator", "late generator"])
async def test_a_function_that_returns_a_generator_is_a_failure_and_not_silently_lost(shop, threads, caplog, kind):
    def lazy(event):
        yield event

    async def lazy_later(event):
        yield event

    if kind == "late generator":

        @shop.subscriber(Happened)
        async def note(event):
            return lazy(event)
    else:
        shop.subscriber(Happened, name="note")(lambda event: (lazy if kind == "generator" else lazy_later)(event))

    outcomes = await shop.handling(threads).handle([shop.record(a("one"))])

    assert outcomes == [Again(0.5)]
    assert "must not `yield`" in caplog.text


@pytest.mark.parametrize("options", [{"batch": 5}, {"concurrency": 2}])
async def test_a_subscriber_that_is_declared_anew_as_a_group_of_its_own_repeats_no_effect(shop, threads, options):
    def note(given):
        for event in given if isinstance(given, list) else [given]:
            write(event.thing)

    old, new = shop.record(a("old")), shop.record(a("new"))
    shop.subscriber(Happened)(note)
    await shop.handling(threads).handle([old])
    shop.registry.subscribers.clear()
    shop.subscriber(Happened, **options)(note)

    handling = shop.handling(threads)
    outcomes = await handling.handle([old, new])

    assert handling.name == "shop.note"
    assert outcomes == [DONE, DONE]
    assert await aeffects() == ["new", "old"]
