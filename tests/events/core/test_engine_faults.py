"""Engines under random faults: joins, leaves, lost memberships, refused commits, retries, outages, bugs.

Each run has its seed in its name. Nothing is lost, each partition keeps its order, and the committed position never
passes what was handled.
"""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from events.core import lanes as lanes_module
from events.core.broker import Partition
from events.core.engine import Engine, EngineOptions
from events.core.errors import BrokerError
from events.core.outcome import DONE, Again, Outage
from events.core.supervisor import Supervisor
from events.core.waiting import wait_at_most
from tests.events.core.consuming import GROUP, TOPIC, Diary, Fleet
from tests.waiting import until

PARTITIONS, RECORDS = 3, 450
OPTIONS = EngineOptions(batch=3, concurrency=2, buffer=20, commit_interval_s=0.003, drain_s=60.0, stop_s=80.0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lanes_module, "OUTAGE_FIRST_S", 0.001)
    monkeypatch.setattr(lanes_module, "OUTAGE_MOST_S", 0.002)


def moody(chance):
    """A handle that mostly closes, sometimes does not, and now and then has a bug."""

    def outcome():
        draw = chance.random()
        return Again(chance.random() / 500) if draw < 0.05 else Outage("away") if draw < 0.07 else DONE

    async def handle(records):
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() / 500)
        if chance.random() < 0.01:
            raise ValueError("a bug")
        return [outcome() for _ in records]

    return handle


class Members:
    """Supervised engines, each on consumers of its own, that come and go."""

    def __init__(self, fleet, chance):
        self.fleet, self.chance, self.diaries, self.members = fleet, chance, [], []
        self.begun = []

    def join(self):
        """Start one more member."""
        stop, diary = asyncio.Event(), Diary()
        self.diaries.append(diary)
        supervisor = Supervisor(
            GROUP, lambda: self.make(diary), wait=lambda stop, seconds: wait_at_most(stop, seconds / 500)
        )
        self.members.append((stop, asyncio.create_task(supervisor.run(stop))))

    def make(self, diary):
        self.fleet.consumers.append(self.fleet.broker.consumer(GROUP, [TOPIC]))
        handle = moody(self.chance)

        async def noted(records):
            self.begun += records
            return await handle(records)

        return Engine(self.fleet.consumers[-1], diary.noting(noted), OPTIONS, name=GROUP)

    async def leave(self):
        """Stop the oldest member cleanly."""
        stop, task = self.members.pop(0)
        stop.set()
        await task

    async def fault(self):
        """One random thing happens."""
        members = [consumer for consumer in self.fleet.consumers if consumer in self.fleet.group.members]
        what = self.chance.choice(["join", "leave", "kick", "refuse", "fail", "rebalance", "down", "skip"])
        if what == "join" and len(self.members) < 3:
            self.join()
        elif what == "leave" and len(self.members) > 1:
            await self.leave()
        elif what == "kick" and members:
            self.fleet.broker.kick(self.chance.choice(members))
        elif what == "refuse":
            self.fleet.broker.refuse_commits(self.chance.randrange(4))
        elif what == "fail" and members:
            self.chance.choice(members).fail_fetch()
        elif what == "rebalance":
            self.fleet.group.rebalance()
        elif what == "down":
            self.fleet.broker.down()
            await asyncio.sleep(0.005)
            self.fleet.broker.up()
        else:
            self.fleet.broker.skip(Partition(TOPIC, self.chance.randrange(PARTITIONS)))


def check_commits(fleet, members):
    """Nothing below a committed position is unhandled."""
    handled = {pair for diary in members.diaries for pair in diary.handled}
    for partition, position in fleet.group.committed.items():
        below = {record.offset for record in fleet.broker.logs[partition].records if record.offset < position}
        lost = {offset for offset in below if (partition.number, offset) not in handled}
        assert not lost, f"committed {position} of {partition}, but {sorted(lost)} were not handled"


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_is_lost_and_the_order_is_kept(seed):
    chance = random.Random(seed)
    fleet = Fleet(PARTITIONS)
    members = Members(fleet, chance)
    members.join()

    for _ in range(25):
        fleet.send(RECORDS // 25, partition_of=lambda number: chance.randrange(PARTITIONS))
        await members.fault()
        await asyncio.sleep(chance.random() / 100)
        check_commits(fleet, members)
    await until(fleet.all_committed, 30)
    while members.members:
        await members.leave()

    check_commits(fleet, members)
    handled = Counter(pair for diary in members.diaries for pair in diary.handled)
    assert handled.keys() == {(record.partition, record.offset) for record in fleet.broker.records(TOPIC)}
    assert not any(diary.overlaps for diary in members.diaries)
    for number in range(PARTITIONS):
        begun = [record.offset for record in members.begun if record.partition == number]
        firsts = list(dict.fromkeys(begun))
        assert firsts == sorted(firsts), "a record was begun before an earlier one of its partition"


async def test_a_clean_join_and_leave_repeat_nothing():
    fleet = Fleet(4)
    diary = Diary()
    engines = []

    async def slow(records):
        await asyncio.sleep(0.001)
        return [DONE] * len(records)

    for _ in range(3):
        engine = fleet.engine(slow, OPTIONS, diary if not engines else Diary())
        engines.append((engine, asyncio.create_task(engine.run())))
        fleet.send(100, partition_of=lambda number: number % 4)
        await until(lambda: len(diary.handled) > 20)
    engine, task = engines.pop()
    engine.stop()
    await task
    await until(fleet.all_committed)
    for engine, task in engines:
        engine.stop()
        with suppress(BrokerError):
            await task

    assert max(Counter(diary.handled).values()) == 1
