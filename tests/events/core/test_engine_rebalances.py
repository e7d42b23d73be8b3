"""Engines in rebalances: nothing repeated by a clean move, nothing committed after a loss."""

import asyncio
from dataclasses import replace

import pytest

from events.core import lanes as lanes_module
from events.core.outcome import DONE, Again, Outage
from tests.events.core.consuming import QUICK, Fleet, Gate, answering
from tests.waiting import until


async def test_partitions_move_without_a_repeat_when_a_member_joins_and_leaves():
    fleet = Fleet(partitions=4)

    async with fleet.running():
        fleet.send(200, partition_of=lambda number: number % 4)
        await until(lambda: len(fleet.diary.handled) > 20)
        async with fleet.running():
            fleet.send(200, partition_of=lambda number: number % 4)
            await until(lambda: len(fleet.diary.handled) > 300)
        await until(fleet.all_committed)

    assert sorted(fleet.diary.handled) == [(number, offset) for number in range(4) for offset in range(100)]


async def test_giving_up_waits_for_what_runs_and_starts_nothing_new():
    fleet, gate = Fleet(), Gate()
    fleet.send(5)

    async with fleet.running(gate) as engine:
        await until(lambda: gate.entered)
        fleet.group.rebalance()
        await until(lambda: engine.report() and engine.report()[0].draining)
        assert fleet.group.generation == 1
        gate.open.set()
        await fleet.group.settled()
        assert fleet.committed() == 1
        await until(fleet.all_committed)

    assert fleet.diary.offsets() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("outcome", [Again(3600), Outage("away")])
async def test_giving_up_does_not_wait_for_a_retry_or_an_outage(outcome, monkeypatch):
    monkeypatch.setattr(lanes_module, "OUTAGE_FIRST_S", 3600.0)
    monkeypatch.setattr(lanes_module, "OUTAGE_MOST_S", 3600.0)
    fleet = Fleet()
    fleet.send(5)

    async with fleet.running(answering(DONE, outcome)):
        await until(lambda: len(fleet.diary.calls) == 2)
        fleet.group.rebalance()
        await asyncio.wait_for(fleet.group.settled(), 30)
        await until(fleet.all_committed)

    assert [call[0][1] for call in fleet.diary.calls] == [0, 1, 1, 2, 3, 4]


async def test_a_lost_membership_commits_nothing_and_the_work_is_done_again(caplog):
    fleet = Fleet()
    fleet.send(3)

    async with fleet.running(options=replace(QUICK, commit_interval_s=3600)) as engine:
        await until(lambda: len(fleet.diary.handled) == 3)
        fleet.broker.kick(fleet.consumers[0])
        await until(lambda: len(fleet.diary.handled) == 6)
        assert fleet.committed() is None

    assert fleet.committed() == 3
    assert engine.facts.lost == 1
    assert "threw this member out" in caplog.text
