"""What an engine says of itself while Kafka is away, and when it is refused."""

import asyncio

import pytest

from events.core.engine import Engine
from events.core.errors import BrokerUnavailable, ClientRefused
from events.core.supervisor import Supervisor
from events.testing.memory import MemoryBroker
from tests.events.core.consuming import GROUP, QUICK, TOPIC, done
from tests.waiting import until


@pytest.fixture
def engine():
    broker = MemoryBroker({TOPIC: 2})
    return Engine(broker.consumer(GROUP, [TOPIC]), done, QUICK, name="Group likes")


async def test_it_waits_while_kafka_is_away_and_runs_again(engine):
    running = asyncio.create_task(engine.run())
    await engine.works.wait()
    before = engine.part("group likes")
    engine.reach(BrokerUnavailable("no broker answers"))
    away = engine.part("group likes")
    engine.reach(None)
    after = engine.part("group likes")
    engine.stop()
    await running

    assert [part.state for part in (before, away, after)] == ["running", "waiting", "running"]
    assert (away.why, before.facts) == ("no broker answers", {"partitions": 2, "handled": 0})


async def test_it_fails_when_waiting_does_not_cure_it(engine):
    running = asyncio.create_task(engine.run())
    await engine.works.wait()

    engine.reach(ClientRefused("wrong password"))

    with pytest.raises(ClientRefused, match="wrong password"):
        await asyncio.wait_for(running, 30)


async def test_a_loop_that_begins_to_work_while_it_drains_goes_on_draining():
    class Late:
        def __init__(self):
            self.works, self.asked, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def run(self):
            await self.over.wait()

        def stop(self):
            self.asked.set()

    loop, stop = Late(), asyncio.Event()
    supervisor = Supervisor("late", lambda: loop)
    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: supervisor.loop)
    stop.set()
    await loop.asked.wait()

    loop.works.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    state = supervisor.part("late").state
    loop.over.set()
    await running

    assert state == "draining"
