"""One broadcast subscriber on the in-memory broker: what it hears, in which order, and how its loops end."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from events.core import broadcast as broadcast_module
from events.core.broadcast import Broadcast
from events.core.broker import OutgoingRecord, Partition
from events.core.errors import BrokerUnavailable, ClientRefused
from events.core.supervisor import Supervisor
from events.testing.listener import MemoryListener
from events.testing.memory import MemoryBroker
from tests.waiting import until


@pytest.fixture
def broker():
    return MemoryBroker({"quotes": 3})


def send(broker, *numbers, key=b"a"):
    for number in numbers:
        broker.append(OutgoingRecord("quotes", key, b"%d" % number))


class Ear:
    """A broadcast, what it heard, and the listeners that it made. `gate`: calls wait for it once it is cleared."""

    def __init__(self, broker):
        self.heard, self.listeners, self.waiting = [], [], 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broadcast = Broadcast("Broadcast push", lambda: self._listener(broker), self._hear)

    def _listener(self, broker):
        self.listeners.append(MemoryListener(broker, ["quotes"]))
        return self.listeners[-1]

    async def _hear(self, record):
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        self.heard.append(int(record.value))

    @asynccontextmanager
    async def open(self):
        """Its loop, until the block ends."""
        loop = self.broadcast.listening()
        task = asyncio.create_task(loop.run())
        await loop.works.wait()
        try:
            yield loop
        finally:
            loop.stop()
            async with asyncio.timeout(10):
                await task

    @asynccontextmanager
    async def kept(self):
        """Its loop under a supervisor that does not wait between two."""
        stop = asyncio.Event()
        supervisor = Supervisor("Broadcast push", self.broadcast.listening, wait=lambda stop, s: asyncio.sleep(0))
        task = asyncio.create_task(supervisor.run(stop))
        await self.broadcast.tried.wait()
        yield
        stop.set()
        await task


async def test_it_hears_what_is_sent_after_it_is_up_and_nothing_from_before(broker):
    ear = Ear(broker)
    send(broker, 1, 2)

    async with ear.open():
        send(broker, 3, 4)
        await until(lambda: len(ear.heard) >= 2)

    assert ear.heard == [3, 4]


async def test_a_key_is_heard_in_order_one_call_at_a_time(broker):
    ear = Ear(broker)

    async with ear.open():
        ear.gate.clear()
        send(broker, *range(100))
        await until(lambda: ear.waiting)
        send(broker, *range(100, 200), key=b"b")
        waiting = ear.waiting
        ear.gate.set()
        await until(lambda: len(ear.heard) >= 200)

    assert waiting == 1
    assert [number for number in ear.heard if number < 100] == list(range(100))
    assert [number for number in ear.heard if number >= 100] == list(range(100, 200))


async def test_after_an_error_the_next_listener_goes_on_where_the_last_one_was(broker):
    ear = Ear(broker)

    async with ear.kept():
        send(broker, 1)
        await until(lambda: ear.heard == [1])
        broker.down()
        ear.listeners[-1].fail_fetch()
        await until(lambda: len(ear.listeners) >= 3)
        broker.up()  # the broker was away: what was sent meanwhile is heard, once
        send(broker, 2)
        await until(lambda: len(ear.heard) >= 2)

    assert ear.heard == [1, 2]


async def test_what_nobody_heard_yet_goes_on_too(broker):
    ear = Ear(broker)

    async with ear.kept():
        ear.listeners[-1].fail_fetch()
        send(broker, 1)
        await until(lambda: ear.heard)

    assert ear.heard == [1]


async def test_an_event_that_was_begun_does_not_come_again(broker):
    ear = Ear(broker)
    ear.gate.clear()
    async with ear.open() as loop:
        send(broker, 1, 2)
        await until(lambda: ear.waiting)
        task = asyncio.create_task(asyncio.sleep(0))
        loop.stop()
        ear.gate.set()
        await task

    async with ear.open():
        send(broker, 3)
        await until(lambda: ear.heard[-1:] == [3])

    assert ear.heard == [1, 2, 3]


async def test_a_stop_cancels_a_call_that_does_not_end(broker, monkeypatch):
    monkeypatch.setattr(broadcast_module, "STOP_S", 0.05)
    ear = Ear(broker)
    ear.gate.clear()

    async with ear.open() as loop:
        send(broker, 1)
        await until(lambda: ear.waiting)
        loop.stop()
        await until(lambda: loop.facts.state == "draining")

    assert (loop.facts.state, ear.heard) == ("stopped", [])


async def test_a_stop_waits_for_no_fetch_and_no_start(broker):
    class Hanging(MemoryListener):
        async def start(self, heard):
            await asyncio.Event().wait()

    broker.poll_s = 3600
    async with Ear(broker).open() as loop:
        pass
    starting = Broadcast("push", lambda: Hanging(broker, ["quotes"]), None).listening()
    task = asyncio.create_task(starting.run())
    await until(lambda: starting.facts.state == "starting")
    starting.stop()
    async with asyncio.timeout(10):
        await task

    assert loop.facts.state == starting.facts.state == "stopped"


async def test_a_first_listener_that_fails_lets_the_start_go_on(broker):
    ear = Ear(broker)
    broker.down()
    loop = ear.broadcast.listening()

    with pytest.raises(BrokerUnavailable):
        await loop.run()

    assert ear.broadcast.tried.is_set()
    assert (loop.facts.state, ear.broadcast.positions) == ("failed", {})


async def test_a_bug_in_hear_drops_the_record_and_the_rest_go_on(broker, caplog):
    heard = []

    async def hear(record):
        heard.append(record.offset)
        raise ValueError("a bug")

    broadcast = Broadcast("Broadcast push", lambda: MemoryListener(broker, ["quotes"]), hear)
    loop = broadcast.listening()
    task = asyncio.create_task(loop.run())
    await loop.works.wait()
    send(broker, 1, 2)
    await until(lambda: loop.facts.handled == 2)
    loop.stop()
    await task

    assert heard == [0, 1]
    (first, _) = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert (first.topic, first.offset) == ("quotes", 0)


async def test_a_cancelled_loop_closes_its_listener(broker):
    ear = Ear(broker)
    loop = ear.broadcast.listening()
    task = asyncio.create_task(loop.run())
    await loop.works.wait()

    task.cancel()
    await asyncio.wait((task,))

    assert loop.facts.state == "failed"
    with pytest.raises(BrokerUnavailable):
        await ear.listeners[-1].fetch(1)


async def test_it_says_that_it_waits_while_the_brokers_are_away(broker):
    async with Ear(broker).open() as loop:
        before = loop.part("broadcast push").state
        broker.down()
        await until(lambda: loop.part("broadcast push").state == "waiting")
        broker.up()
        await until(lambda: loop.part("broadcast push").state == "running")

    assert before == "running"


async def test_a_listener_that_is_refused_for_good_ends_and_loses_nothing(broker, monkeypatch):
    ear = Ear(broker)
    loop = ear.broadcast.listening()
    running = asyncio.create_task(loop.run())
    await loop.works.wait()

    monkeypatch.setattr(MemoryListener, "away", ClientRefused("the log-in failed"))
    send(broker, 1)
    with pytest.raises(ClientRefused):
        await asyncio.wait_for(running, 30)
    monkeypatch.setattr(MemoryListener, "away", None)
    async with ear.open():
        await until(lambda: ear.heard)

    assert ear.heard == [1]


async def test_positions_stand_behind_what_was_heard(broker):
    ear = Ear(broker)
    async with ear.open():
        send(broker, 1)
        await until(lambda: ear.heard)

    assert set(ear.broadcast.positions) == {Partition("quotes", number) for number in range(3)}
    assert sorted(ear.broadcast.positions.values()) == [0, 0, 1]
