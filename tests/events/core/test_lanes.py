"""Lanes side by side: how many calls at once, and what becomes of records that `handle` did not close."""

import asyncio
from dataclasses import replace

import pytest

from events.core import lanes as lanes_module
from events.core.outcome import DONE, Again, Outage
from tests.events.core.consuming import QUICK, ZERO, Diary, Fleet, Gate, answering
from tests.waiting import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """An outage is asked about after milliseconds."""
    monkeypatch.setattr(lanes_module, "OUTAGE_FIRST_S", 0.002)
    monkeypatch.setattr(lanes_module, "OUTAGE_MOST_S", 0.01)


async def test_partitions_are_handled_side_by_side():
    fleet, gate = Fleet(partitions=3), Gate()
    fleet.send(6, partition_of=lambda number: number % 3)

    async with fleet.running(gate):
        await until(lambda: gate.entered == 3)
        gate.open.set()
        await until(fleet.all_committed)

    assert fleet.diary.together == 3


async def test_at_most_so_many_calls_run_at_once():
    fleet, gate = Fleet(partitions=4), Gate()
    fleet.send(8, partition_of=lambda number: number % 4)

    async with fleet.running(gate, replace(QUICK, concurrency=2)):
        await until(lambda: gate.entered == 2)
        gate.open.set()
        await until(fleet.all_committed)

    assert fleet.diary.together == 2


async def test_a_batch_is_the_leading_records_of_a_partition():
    fleet = Fleet()
    fleet.send(25)

    async with fleet.running(options=replace(QUICK, batch=10)):
        await until(fleet.all_committed)

    assert [len(call) for call in fleet.diary.calls] == [10, 10, 5]


async def test_again_hands_the_same_record_over_and_later_ones_wait():
    fleet = Fleet()
    fleet.send(3)

    async with fleet.running(answering(DONE, Again(0.001), Again(0.0), DONE)) as engine:
        await until(fleet.all_committed)

    assert fleet.diary.calls == [[(0, 0)], [(0, 1)], [(0, 1)], [(0, 1)], [(0, 2)]]
    assert engine.facts.again == 2


async def test_again_in_a_batch_hands_only_the_undone_ones_over_again():
    fleet = Fleet()
    fleet.send(3)
    first = True

    async def handle(records):
        nonlocal first
        outcomes = [DONE, Again(0.001), DONE] if first else [DONE] * len(records)
        first = False
        return outcomes

    async with fleet.running(handle, replace(QUICK, batch=3)):
        await until(fleet.all_committed)

    assert fleet.diary.calls == [[(0, 0), (0, 1), (0, 2)], [(0, 1)]]


async def test_a_record_that_waits_holds_up_no_other_partition():
    fleet = Fleet(partitions=2)
    fleet.send(10, partition_of=lambda number: number % 2)

    async def handle(records):
        return [Again(3600)] if records[0].partition == 0 else [DONE]

    async with fleet.running(handle, replace(QUICK, concurrency=1)):
        await until(lambda: fleet.committed(1) == 5)

    assert fleet.diary.offsets(0) == []


async def test_an_outage_asks_the_same_record_again_and_is_logged_twice_in_all(caplog):
    fleet = Fleet(partitions=2)
    fleet.send(4, partition_of=lambda number: number % 2)
    away = True

    async def handle(records):
        return [Outage("the database is away")] if away else [DONE]

    async with fleet.running(handle) as engine:
        await until(lambda: len(fleet.diary.calls) > 10 and len(engine.facts.outages) == 2)
        assert engine.facts.outages[ZERO] == "the database is away"
        away = False
        await until(fleet.all_committed)

    first, last = [record.message for record in caplog.records]
    assert first == "likes waits, and goes on by itself: the database is away"
    assert last.startswith("likes goes on after")
    assert not engine.facts.outages
    assert engine.facts.outage > 0


@pytest.mark.parametrize("bug", [ValueError("a bug"), asyncio.CancelledError(), "too many"])
async def test_a_bug_in_handle_loses_nothing_and_is_logged(caplog, bug):
    fleet = Fleet()
    fleet.send(3)
    bugs = [bug]

    async def handle(records):
        if not bugs:
            return [DONE]
        bug = bugs.pop()
        if isinstance(bug, BaseException):
            raise bug
        return [DONE, DONE]

    diary = Diary()
    async with fleet.running(handle, diary=diary) as engine:
        await until(fleet.all_committed)

    assert [call[0][1] for call in diary.calls] == [0, 0, 1, 2]
    assert engine.facts.outage == 1
    assert "quotes/0/0" in caplog.text
    [line] = [record for record in caplog.records if record.exc_info]
    assert (line.topic, line.partition, line.offset, line.subscriber) == ("quotes", 0, 0, "")


async def test_the_next_ownership_waits_for_a_call_of_the_lost_one():
    fleet, gate = Fleet(), Gate()
    fleet.send(2)

    async with fleet.running(gate) as engine:
        await until(lambda: gate.entered)
        fleet.broker.kick(fleet.consumers[0])
        await until(lambda: engine.facts.lost and engine.report())
        await fleet.group.settled()
        await until(lambda: fleet.consumers[0].position(ZERO) == 2)
        assert gate.entered == 1
        gate.open.set()
        await until(fleet.all_committed)

    assert fleet.diary.offsets() == [0, 0, 1]
    assert not fleet.diary.overlaps


async def test_what_a_lost_ownership_leaves_behind_is_no_outage():
    fleet, gate = Fleet(), Gate(Outage("away"))
    fleet.send(1)

    async with fleet.running(gate) as engine:
        await until(lambda: gate.entered)
        engine.lost("the test says so")
        gate.open.set()
        await until(lambda: fleet.diary.running == {0: 0})

    assert engine.facts.outage == 0
    assert not engine.facts.outages
