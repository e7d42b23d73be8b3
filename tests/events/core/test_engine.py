"""The consumer loop on the in-memory broker: what is handled and when; failing."""

import asyncio
from dataclasses import replace

import pytest

from events.core.errors import BrokerUnavailable, MembershipLost
from tests.events.core.consuming import QUICK, ZERO, Fleet, Gate
from tests.waiting import until


async def test_everything_is_handled_in_order_and_committed():
    fleet = Fleet()
    fleet.send(300)

    async with fleet.running() as engine:
        await until(fleet.all_committed)

    assert fleet.diary.offsets() == list(range(300))
    assert engine.facts.handled == 300
    assert engine.facts.state == "stopped"


async def test_records_that_arrive_later_are_handled_too():
    fleet = Fleet()

    async with fleet.running():
        await until(lambda: fleet.group.generation)
        for count in (1, 2, 3):
            fleet.send(count)
            await until(fleet.all_committed)

    assert fleet.diary.offsets() == list(range(6))


async def test_gaps_do_not_hold_the_position_back():
    fleet = Fleet()
    fleet.send(3)
    fleet.broker.skip(ZERO, 4)
    fleet.send(2)
    fleet.broker.skip(ZERO, 5)

    async with fleet.running():
        await until(lambda: fleet.committed() == 14)

    assert fleet.diary.offsets() == [0, 1, 2, 7, 8]


async def test_an_error_out_of_start_is_raised():
    fleet = Fleet()
    fleet.broker.down()
    engine = fleet.engine()

    with pytest.raises(BrokerUnavailable):
        await engine.run()

    assert engine.facts.state == "failed"


async def test_an_error_out_of_fetch_is_raised_and_nothing_is_committed():
    fleet = Fleet()
    fleet.send(3)
    engine = fleet.engine(options=replace(QUICK, commit_interval_s=3600))
    running = asyncio.create_task(engine.run())
    await until(lambda: len(fleet.diary.handled) == 3)

    fleet.consumers[0].fail_fetch()
    with pytest.raises(MembershipLost):
        await running

    assert fleet.committed() is None
    assert fleet.group.members == []
    assert engine.report() == []


async def test_after_an_error_running_calls_may_end():
    fleet, gate = Fleet(), Gate()
    fleet.send(3)
    engine = fleet.engine(gate)
    running = asyncio.create_task(engine.run())
    await until(lambda: gate.entered)

    fleet.consumers[0].fail_fetch()
    await until(lambda: fleet.group.members == [])
    gate.open.set()
    with pytest.raises(MembershipLost):
        await running

    assert fleet.diary.offsets() == [0]
    assert engine.facts.handled == 0


async def test_an_error_while_it_drains_is_raised_too():
    fleet, gate = Fleet(), Gate()
    fleet.send(3)
    engine = fleet.engine(gate)
    failed = asyncio.Event()

    async def fetch(partitions, at_most, fetch=fleet.consumers[0].fetch):
        if engine.facts.state == "draining":
            failed.set()
            raise MembershipLost("in the middle of the drain")
        return await fetch(partitions, at_most)

    fleet.consumers[0].fetch = fetch
    engine._stopping.is_set = lambda: False  # so that the fetch loop, which is waiting, asks once more
    running = asyncio.create_task(engine.run())
    await until(lambda: gate.entered)

    engine.stop()
    await failed.wait()
    gate.open.set()
    with pytest.raises(MembershipLost):
        await running

    assert not fleet.committed()
