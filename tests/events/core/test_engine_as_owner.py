"""The engine as its consumer sees it: told what it owns, asked what it works on."""

import asyncio
from dataclasses import replace

import pytest

from events.core import engine as engine_module
from events.core.broker import Partition, Record
from events.core.engine import Engine
from events.core.outcome import Again
from tests.events.core.consuming import QUICK, TOPIC, ZERO, Fleet, Gate, done
from tests.waiting import until


class Idle:
    """A consumer that brings nothing and notes what is committed."""

    def __init__(self):
        self.committed, self.asked, self.stopped = {}, [], asyncio.Event()

    async def start(self, owner):
        owner.apply([ZERO])

    async def fetch(self, partitions, at_most):
        self.asked.append((tuple(partitions), at_most))
        await asyncio.sleep(0.001)
        return {}

    def position(self, partition):
        return 7

    async def commit(self, positions):
        self.committed.update(positions)
        return True

    async def stop(self):
        self.stopped.set()


@pytest.fixture
async def idle():
    """An engine that owns one partition without records: (engine, consumer)."""
    consumer = Idle()
    engine = Engine(consumer, done, QUICK)
    running = asyncio.create_task(engine.run())
    await until(lambda: consumer.asked)
    yield engine, consumer
    engine.stop()
    await running


async def test_a_released_partition_is_drained_committed_and_dropped(idle):
    engine, consumer = idle
    await until(lambda: consumer.asked[-1][0] == (ZERO,))

    engine.apply([ZERO], release=[ZERO])
    assert [claim.draining for claim in engine.report()] == [True]
    await until(lambda: not engine.report())

    assert consumer.committed == {ZERO: 7}


async def test_a_released_partition_that_stays_after_all_goes_on(idle):
    engine, _ = idle

    engine.apply([ZERO], release=[ZERO])
    engine.apply([ZERO], release=[ZERO])
    engine.apply([ZERO])

    assert [claim.draining for claim in engine.report()] == [False]


async def test_apply_drops_what_is_not_assigned_any_more(idle):
    engine, _ = idle

    engine.apply([Partition(TOPIC, 1)])

    assert [claim.partition for claim in engine.report()] == [Partition(TOPIC, 1)]


async def test_without_a_partition_the_consumer_is_still_asked_but_not_all_the_time(idle, monkeypatch):
    monkeypatch.setattr(engine_module, "IDLE_S", 0.03)
    engine, consumer = idle

    engine.apply([])
    consumer.asked.clear()
    await until(lambda: len(consumer.asked) >= 3)

    assert consumer.asked[-1] == ((), 500)


async def test_a_partition_is_asked_for_again_from_half_empty_on():
    fleet, gate = Fleet(), Gate()
    fleet.send(30)
    asked = []
    engine = fleet.engine(gate, replace(QUICK, buffer=10))

    async def fetch(partitions, at_most, fetch=fleet.consumers[0].fetch):
        asked.append((len(partitions), at_most, engine.report()[0] and engine._trackers[ZERO].open))
        return await fetch(partitions, at_most)

    fleet.consumers[0].fetch = fetch
    running = asyncio.create_task(engine.run())
    await until(lambda: gate.entered and asked[-1][0] == 0)
    gate.open.set()
    await until(fleet.all_committed)
    engine.stop()
    await running

    assert all(open_ + at_most <= 10 for partitions, at_most, open_ in asked if partitions)
    assert fleet.diary.offsets() == list(range(30))


async def test_records_of_a_partition_that_is_not_ours_are_dropped(idle):
    engine, consumer = idle
    left = [{Partition(TOPIC, 1): [Record(TOPIC, 1, 0, None, b"")]}]

    async def fetch(partitions, at_most):
        await asyncio.sleep(0)
        return left.pop() if left else {}

    consumer.fetch = fetch
    await until(lambda: not left)

    assert engine.facts.handled == 0
    assert [claim.partition for claim in engine.report()] == [ZERO]


async def test_a_membership_lost_while_it_gives_up_ends_the_giving_up():
    fleet, gate = Fleet(), Gate()
    fleet.send(2)

    async with fleet.running(gate) as engine:
        await until(lambda: gate.entered)
        fleet.group.rebalance()
        await until(lambda: engine.report()[0].draining)
        fleet.broker.kick(fleet.consumers[0])
        await until(lambda: engine.facts.lost)
        await asyncio.wait_for(fleet.group.settled(), 30)
        gate.open.set()
        await until(fleet.all_committed)

    assert fleet.diary.offsets() == [0, 0, 1]


async def test_what_is_assigned_while_it_stops_is_not_begun(idle):
    engine, consumer = idle

    engine.stop()
    engine.apply([ZERO, Partition(TOPIC, 1)])

    assert all(claim.draining for claim in engine.report())


async def test_the_cheapest_to_give_up_is_reported_first():
    fleet, gate = Fleet(partitions=3), Gate()
    fleet.send(4, partition_of=lambda number: [0, 1, 1, 1][number])

    async def handle(records):
        return await gate(records) if records[0].partition == 0 else [Again(3600)]

    async with fleet.running(handle) as engine:
        await until(lambda: gate.entered and len(fleet.diary.calls) == 2)
        assert [claim.partition.number for claim in engine.report()] == [2, 1, 0]
        gate.open.set()
