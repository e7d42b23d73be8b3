"""Stopping an engine: what it waits for, what it gives up, and how long it takes at most."""

import asyncio
from dataclasses import replace

import pytest

from events.core import engine as engine_module
from events.core import lanes as lanes_module
from events.core.engine import EngineOptions
from events.core.outcome import DONE, Again
from tests.events.core.consuming import QUICK, Fleet, Gate, answering, done
from tests.virtual_time import in_virtual_time
from tests.waiting import until


async def test_stop_waits_for_what_runs_and_starts_nothing_new():
    fleet, gate = Fleet(), Gate()
    fleet.send(5)
    engine = fleet.engine(gate)
    running = asyncio.create_task(engine.run())
    await until(lambda: gate.entered)

    engine.stop()
    await until(lambda: engine.facts.state == "draining")
    gate.open.set()
    await running

    assert fleet.diary.offsets() == [0]
    assert fleet.committed() == 1


async def test_stop_starts_nothing_that_waited_for_another_call():
    fleet, gate = Fleet(partitions=2), Gate()
    fleet.send(2, partition_of=lambda number: number % 2)

    async with fleet.running(gate, replace(QUICK, concurrency=1)) as engine:
        await until(lambda: gate.entered and all(tracker.open for tracker in engine._trackers.values()))
        engine.stop()
        gate.open.set()

    assert gate.entered == 1


async def test_stop_does_not_wait_for_a_retry():
    fleet = Fleet()
    fleet.send(5)

    async with fleet.running(answering(DONE, Again(3600))):
        await until(lambda: len(fleet.diary.calls) == 2)

    assert fleet.committed() == 1


async def test_stop_gives_up_on_what_does_not_end_and_commits_the_rest():
    fleet, gate = Fleet(partitions=2), Gate()
    fleet.send(6, partition_of=lambda number: number % 2)

    async def handle(records):
        return await gate(records) if records[0].partition == 0 else [DONE]

    async with fleet.running(handle, replace(QUICK, drain_s=0.02)):
        await until(lambda: gate.entered and len(fleet.diary.offsets(1)) == 3)

    assert fleet.committed(1) == 3
    assert not fleet.committed()
    assert sum(fleet.diary.running.values()) == 0


async def test_a_call_that_refuses_to_be_cancelled_does_not_hold_the_stop(monkeypatch):
    monkeypatch.setattr(lanes_module, "CANCEL_S", 0.01)
    fleet, gate = Fleet(), Gate()
    fleet.send(1)

    async def stubborn(records):
        try:
            return await gate(records)
        except asyncio.CancelledError:
            return await gate(records)

    async with fleet.running(stubborn, replace(QUICK, drain_s=0.01)):
        await until(lambda: gate.entered)

    assert fleet.diary.running == {0: 1}
    gate.open.set()
    await until(lambda: fleet.diary.running == {0: 0})


async def test_stop_before_run_starts_and_ends_it():
    fleet = Fleet()
    fleet.send(3)
    engine = fleet.engine()

    engine.stop()
    await asyncio.wait_for(engine.run(), 30)

    assert fleet.diary.handled == []
    assert engine.facts.state == "stopped"


async def test_cancelling_commits_nothing_and_leaves_the_group():
    fleet, gate = Fleet(), Gate()
    fleet.send(3)
    engine = fleet.engine(gate, replace(QUICK, commit_interval_s=3600))
    running = asyncio.create_task(engine.run())
    await until(lambda: gate.entered)

    running.cancel()
    await asyncio.wait((running,))

    assert running.cancelled()
    assert fleet.committed() is None
    assert fleet.group.members == []
    assert engine.facts.state == "failed"


async def test_stop_ends_a_start_that_hangs():
    fleet = Fleet()
    engine = fleet.engine()
    entered, cleaned = asyncio.Event(), []

    async def start(owner):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("start")

    async def stop():
        cleaned.append("stop")

    fleet.consumers[0].start, fleet.consumers[0].stop = start, stop
    running = asyncio.create_task(engine.run())
    await entered.wait()

    engine.stop()
    await asyncio.wait_for(running, 30)

    assert cleaned == ["start", "stop"]
    assert engine.facts.state == "stopped"
    assert not engine.works.is_set()


@pytest.mark.parametrize("hanging", [(), ("call",), ("commit",), ("stop",), ("call", "commit", "stop", "fetch")])
def test_a_stop_keeps_its_limit_whatever_hangs(hanging):
    async def seconds():
        fleet, gate = Fleet(), Gate()
        fleet.send(3)
        engine = fleet.engine(gate if "call" in hanging else done, EngineOptions(commit_interval_s=1.0))
        for name in {"commit", "stop", "fetch"}.intersection(hanging):
            hang_after(engine, fleet.consumers[0], name)
        running = asyncio.create_task(engine.run())
        await engine.works.wait()
        await asyncio.sleep(1.0)  # so that a commit is under way
        begin = asyncio.get_running_loop().time()
        engine.stop()
        await running
        return asyncio.get_running_loop().time() - begin

    limit = EngineOptions().stop_s if hanging else 0.1
    assert in_virtual_time(seconds()) <= limit < 20


def hang_after(engine, consumer, name):
    """From now on this method of the consumer never ends; fetch does so once the engine was asked to stop."""
    fetch = consumer.fetch

    async def hang(*arguments):
        if name == "fetch" and not engine._stopping.is_set():
            return await fetch(*arguments)
        await asyncio.Event().wait()

    setattr(consumer, name, hang)


async def test_a_fetch_that_does_not_end_is_cancelled_in_the_end(monkeypatch):
    monkeypatch.setattr(engine_module, "FETCH_END_S", 0.01)
    fleet = Fleet()
    engine = fleet.engine()
    entered = asyncio.Event()

    async def fetch(partitions, at_most):
        entered.set()
        await asyncio.Event().wait()

    fleet.consumers[0].fetch = fetch
    running = asyncio.create_task(engine.run())
    await entered.wait()

    engine.stop()
    await asyncio.wait_for(running, 30)

    assert engine.facts.state == "stopped"
