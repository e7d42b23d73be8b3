"""The consumer loop on the in-memory broker: what is handled, when, and what is committed."""

import asyncio
from dataclasses import replace

import pytest

from events.core import commits as commits_module
from events.core import engine as engine_module
from events.core import lanes as lanes_module
from events.core.broker import Partition, Record
from events.core.engine import Engine, EngineOptions
from events.core.errors import BrokerUnavailable, MembershipLost
from events.core.outcome import DONE, Again, Outage
from tests.events.core.consuming import QUICK, TOPIC, Diary, Fleet, done
from tests.waiting import await_until

ZERO = Partition(TOPIC, 0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """An outage is asked about after milliseconds."""
    monkeypatch.setattr(lanes_module, "OUTAGE_FIRST_S", 0.002)
    monkeypatch.setattr(lanes_module, "OUTAGE_MOST_S", 0.01)


class Gate:
    """A handle that waits inside until it is let through. `entered`: calls so far."""

    def __init__(self, outcome=DONE):
        self.entered, self.open, self.outcome = 0, asyncio.Event(), outcome

    async def __call__(self, records):
        self.entered += 1
        await self.open.wait()
        return [self.outcome] * len(records)


def answering(*answers):
    """A handle that gives these outcomes, one a call, and then closes everything."""
    left = list(answers)

    async def handle(records):
        return [left.pop(0) if left else DONE] * len(records)

    return handle


# Handling.


async def test_everything_is_handled_in_order_and_committed():
    fleet = Fleet()
    fleet.send(300)

    async with fleet.running() as engine:
        await await_until(fleet.all_committed)

    assert fleet.diary.offsets() == list(range(300))
    assert engine.facts.handled == 300
    assert engine.facts.state == "stopped"


async def test_partitions_are_handled_side_by_side():
    fleet, gate = Fleet(partitions=3), Gate()
    fleet.send(6, partition_of=lambda number: number % 3)

    async with fleet.running(gate):
        await await_until(lambda: gate.entered == 3)
        gate.open.set()
        await await_until(fleet.all_committed)

    assert fleet.diary.together == 3


async def test_at_most_so_many_calls_run_at_once():
    fleet, gate = Fleet(partitions=4), Gate()
    fleet.send(8, partition_of=lambda number: number % 4)

    async with fleet.running(gate, replace(QUICK, concurrency=2)):
        await await_until(lambda: gate.entered == 2)
        gate.open.set()
        await await_until(fleet.all_committed)

    assert fleet.diary.together == 2


async def test_a_batch_is_the_leading_records_of_a_partition():
    fleet = Fleet()
    fleet.send(25)

    async with fleet.running(options=replace(QUICK, batch=10)):
        await await_until(fleet.all_committed)

    assert [len(call) for call in fleet.diary.calls] == [10, 10, 5]


async def test_records_that_arrive_later_are_handled_too():
    fleet = Fleet()

    async with fleet.running():
        await await_until(lambda: fleet.group.generation)
        for count in (1, 2, 3):
            fleet.send(count)
            await await_until(fleet.all_committed)

    assert fleet.diary.offsets() == list(range(6))


async def test_gaps_do_not_hold_the_position_back():
    fleet = Fleet()
    fleet.send(3)
    fleet.broker.skip(ZERO, 4)
    fleet.send(2)
    fleet.broker.skip(ZERO, 5)

    async with fleet.running():
        await await_until(lambda: fleet.committed() == 14)

    assert fleet.diary.offsets() == [0, 1, 2, 7, 8]


# Again, Outage, bugs.


async def test_again_hands_the_same_record_over_and_later_ones_wait():
    fleet = Fleet()
    fleet.send(3)

    async with fleet.running(answering(DONE, Again(0.001), Again(0.0), DONE)) as engine:
        await await_until(fleet.all_committed)

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
        await await_until(fleet.all_committed)

    assert fleet.diary.calls == [[(0, 0), (0, 1), (0, 2)], [(0, 1)]]


async def test_a_record_that_waits_holds_up_no_other_partition():
    fleet = Fleet(partitions=2)
    fleet.send(10, partition_of=lambda number: number % 2)

    async def handle(records):
        return [Again(3600)] if records[0].partition == 0 else [DONE]

    async with fleet.running(handle, replace(QUICK, concurrency=1)):
        await await_until(lambda: fleet.committed(1) == 5)

    assert fleet.diary.offsets(0) == []


async def test_an_outage_asks_the_same_record_again_and_is_logged_twice_in_all(caplog):
    fleet = Fleet(partitions=2)
    fleet.send(4, partition_of=lambda number: number % 2)
    away = True

    async def handle(records):
        return [Outage("the database is away")] if away else [DONE]

    async with fleet.running(handle) as engine:
        await await_until(lambda: len(fleet.diary.calls) > 10 and len(engine.facts.outages) == 2)
        assert engine.facts.outages[ZERO] == "the database is away"
        away = False
        await await_until(fleet.all_committed)

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
        await await_until(fleet.all_committed)

    assert [call[0][1] for call in diary.calls] == [0, 0, 1, 2]
    assert engine.facts.outage == 1
    assert "quotes/0/0" in caplog.text
    assert any(record.exc_info for record in caplog.records)


# Stopping.


async def test_stop_waits_for_what_runs_and_starts_nothing_new():
    fleet, gate = Fleet(), Gate()
    fleet.send(5)
    engine = fleet.engine(gate)
    running = asyncio.create_task(engine.run())
    await await_until(lambda: gate.entered)

    engine.stop()
    await await_until(lambda: engine.facts.state == "draining")
    gate.open.set()
    await running

    assert fleet.diary.offsets() == [0]
    assert fleet.committed() == 1


async def test_stop_starts_nothing_that_waited_for_another_call():
    fleet, gate = Fleet(partitions=2), Gate()
    fleet.send(2, partition_of=lambda number: number % 2)

    async with fleet.running(gate, replace(QUICK, concurrency=1)) as engine:
        await await_until(lambda: gate.entered and all(tracker.open for tracker in engine._trackers.values()))
        engine.stop()
        gate.open.set()

    assert gate.entered == 1


async def test_stop_does_not_wait_for_a_retry():
    fleet = Fleet()
    fleet.send(5)

    async with fleet.running(answering(DONE, Again(3600))):
        await await_until(lambda: len(fleet.diary.calls) == 2)

    assert fleet.committed() == 1


async def test_stop_gives_up_on_what_does_not_end_and_commits_the_rest():
    fleet, gate = Fleet(partitions=2), Gate()
    fleet.send(6, partition_of=lambda number: number % 2)

    async def handle(records):
        return await gate(records) if records[0].partition == 0 else [DONE]

    async with fleet.running(handle, replace(QUICK, drain_s=0.02)):
        await await_until(lambda: gate.entered and len(fleet.diary.offsets(1)) == 3)

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
        await await_until(lambda: gate.entered)

    assert fleet.diary.running == {0: 1}
    gate.open.set()
    await await_until(lambda: fleet.diary.running == {0: 0})


async def test_stop_before_run_starts_and_ends_it():
    fleet = Fleet()
    fleet.send(3)
    engine = fleet.engine()

    engine.stop()
    await asyncio.wait_for(engine.run(), 5)

    assert fleet.diary.handled == []
    assert engine.facts.state == "stopped"


async def test_cancelling_commits_nothing_and_leaves_the_group():
    fleet, gate = Fleet(), Gate()
    fleet.send(3)
    engine = fleet.engine(gate, replace(QUICK, commit_interval_s=3600))
    running = asyncio.create_task(engine.run())
    await await_until(lambda: gate.entered)

    running.cancel()
    await asyncio.wait((running,))

    assert running.cancelled()
    assert fleet.committed() is None
    assert fleet.group.members == []
    assert engine.facts.state == "failed"


# Errors of the consumer.


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
    await await_until(lambda: len(fleet.diary.handled) == 3)

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
    await await_until(lambda: gate.entered)

    fleet.consumers[0].fail_fetch()
    await await_until(lambda: fleet.group.members == [])
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
    await await_until(lambda: gate.entered)

    engine.stop()
    await failed.wait()
    gate.open.set()
    with pytest.raises(MembershipLost):
        await running

    assert not fleet.committed()


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
    await asyncio.wait_for(running, 5)

    assert engine.facts.state == "stopped"


# Commits.


async def test_a_refused_commit_is_said_again():
    fleet = Fleet()
    fleet.broker.refuse_commits(3)
    fleet.send(3)

    async with fleet.running():
        await await_until(fleet.all_committed)

    assert fleet.committed() == 3


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), TimeoutError()])
async def test_a_commit_that_fails_is_said_again(error):
    fleet = Fleet()
    engine = fleet.engine()
    errors = [error]

    async def commit(positions, commit=fleet.consumers[0].commit):
        if errors:
            raise errors.pop()
        return await commit(positions)

    fleet.consumers[0].commit = commit
    fleet.send(3)
    running = asyncio.create_task(engine.run())
    await await_until(fleet.all_committed)

    engine.stop()
    await running


async def test_handling_goes_on_while_a_commit_blocks_and_the_stop_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(commits_module, "LIMIT_S", 0.05)
    fleet = Fleet()
    engine = fleet.engine()
    asked = asyncio.Event()

    async def commit(positions):
        asked.set()
        await asyncio.Event().wait()

    fleet.consumers[0].commit = commit
    fleet.send(1)
    running = asyncio.create_task(engine.run())
    await asked.wait()
    fleet.send(2)
    await await_until(lambda: len(fleet.diary.handled) == 3)

    engine.stop()
    await asyncio.wait_for(running, 5)

    assert fleet.committed() is None


async def test_a_bug_in_commit_ends_the_engine():
    fleet = Fleet()
    engine = fleet.engine()

    async def commit(positions):
        raise ZeroDivisionError

    fleet.consumers[0].commit = commit
    fleet.send(1)

    with pytest.raises(ZeroDivisionError):
        await engine.run()


# Rebalances.


async def test_partitions_move_without_a_repeat_when_a_member_joins_and_leaves():
    fleet = Fleet(partitions=4)

    async with fleet.running():
        fleet.send(200, partition_of=lambda number: number % 4)
        await await_until(lambda: len(fleet.diary.handled) > 20)
        async with fleet.running():
            fleet.send(200, partition_of=lambda number: number % 4)
            await await_until(lambda: len(fleet.diary.handled) > 300)
        await await_until(fleet.all_committed)

    assert sorted(fleet.diary.handled) == [(number, offset) for number in range(4) for offset in range(100)]


async def test_giving_up_waits_for_what_runs_and_starts_nothing_new():
    fleet, gate = Fleet(), Gate()
    fleet.send(5)

    async with fleet.running(gate) as engine:
        await await_until(lambda: gate.entered)
        fleet.group.rebalance()
        await await_until(lambda: engine.report() and engine.report()[0].draining)
        assert fleet.group.generation == 1
        gate.open.set()
        await fleet.group.settled()
        assert fleet.committed() == 1
        await await_until(fleet.all_committed)

    assert fleet.diary.offsets() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("outcome", [Again(3600), Outage("away")])
async def test_giving_up_does_not_wait_for_a_retry_or_an_outage(outcome, monkeypatch):
    monkeypatch.setattr(lanes_module, "OUTAGE_FIRST_S", 3600.0)
    monkeypatch.setattr(lanes_module, "OUTAGE_MOST_S", 3600.0)
    fleet = Fleet()
    fleet.send(5)

    async with fleet.running(answering(DONE, outcome)):
        await await_until(lambda: len(fleet.diary.calls) == 2)
        fleet.group.rebalance()
        await asyncio.wait_for(fleet.group.settled(), 4)
        await await_until(fleet.all_committed)

    assert [call[0][1] for call in fleet.diary.calls] == [0, 1, 1, 2, 3, 4]


async def test_a_lost_membership_commits_nothing_and_the_work_is_done_again(caplog):
    fleet = Fleet()
    fleet.send(3)

    async with fleet.running(options=replace(QUICK, commit_interval_s=3600)) as engine:
        await await_until(lambda: len(fleet.diary.handled) == 3)
        fleet.broker.kick(fleet.consumers[0])
        await await_until(lambda: len(fleet.diary.handled) == 6)
        assert fleet.committed() is None

    assert fleet.committed() == 3
    assert engine.facts.lost == 1
    assert "threw this member out" in caplog.text


async def test_the_next_ownership_waits_for_a_call_of_the_lost_one():
    fleet, gate = Fleet(), Gate()
    fleet.send(2)

    async with fleet.running(gate) as engine:
        await await_until(lambda: gate.entered)
        fleet.broker.kick(fleet.consumers[0])
        await await_until(lambda: engine.facts.lost and engine.report())
        await fleet.group.settled()
        await await_until(lambda: fleet.consumers[0].position(ZERO) == 2)
        assert gate.entered == 1
        gate.open.set()
        await await_until(fleet.all_committed)

    assert fleet.diary.offsets() == [0, 0, 1]
    assert not fleet.diary.overlaps


async def test_what_a_lost_ownership_leaves_behind_is_no_outage():
    fleet, gate = Fleet(), Gate(Outage("away"))
    fleet.send(1)

    async with fleet.running(gate) as engine:
        await await_until(lambda: gate.entered)
        engine.lost("the test says so")
        gate.open.set()
        await await_until(lambda: fleet.diary.running == {0: 0})

    assert engine.facts.outage == 0
    assert not engine.facts.outages


# What the consumer asks, without a broker: `Owner`.


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
    await await_until(lambda: consumer.asked)
    yield engine, consumer
    engine.stop()
    await running


async def test_a_released_partition_is_drained_committed_and_dropped(idle):
    engine, consumer = idle
    await await_until(lambda: consumer.asked[-1][0] == (ZERO,))

    engine.apply([ZERO], release=[ZERO])
    assert [claim.draining for claim in engine.report()] == [True]
    await await_until(lambda: not engine.report())

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
    await await_until(lambda: len(consumer.asked) >= 3)

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
    await await_until(lambda: gate.entered and asked[-1][0] == 0)
    gate.open.set()
    await await_until(fleet.all_committed)
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
    await await_until(lambda: not left)

    assert engine.facts.handled == 0
    assert [claim.partition for claim in engine.report()] == [ZERO]


async def test_a_membership_lost_while_it_gives_up_ends_the_giving_up():
    fleet, gate = Fleet(), Gate()
    fleet.send(2)

    async with fleet.running(gate) as engine:
        await await_until(lambda: gate.entered)
        fleet.group.rebalance()
        await await_until(lambda: engine.report()[0].draining)
        fleet.broker.kick(fleet.consumers[0])
        await await_until(lambda: engine.facts.lost)
        await asyncio.wait_for(fleet.group.settled(), 4)
        gate.open.set()
        await await_until(fleet.all_committed)

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
        await await_until(lambda: gate.entered and len(fleet.diary.calls) == 2)
        assert [claim.partition.number for claim in engine.report()] == [2, 1, 0]
        gate.open.set()


async def test_the_loop_is_not_held_while_nothing_waits():
    fleet = Fleet()
    fleet.send(5000)
    longest, last = 0.0, asyncio.get_running_loop().time()

    async with fleet.running(options=EngineOptions()) as engine:
        while engine.facts.handled < 5000:
            await asyncio.sleep(0)
            now = asyncio.get_running_loop().time()
            longest, last = max(longest, now - last), now

    assert fleet.diary.offsets() == list(range(5000))
    assert longest < 0.1
