"""A loop that fails is built anew, until it is told to stop."""

import asyncio
import logging

import pytest

from events.core.errors import BrokerUnavailable, ClientRefused, MembershipLost
from events.core.health import Part
from events.core.supervisor import Supervisor, supervise
from tests.waiting import until


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Waits:
    """Stands in for waiting: notes how long it would have been, and stops everything after so many."""

    def __init__(self, until):
        self.seconds, self._until = [], until

    async def __call__(self, stop, seconds):
        self.seconds.append(seconds)
        if len(self.seconds) == self._until:
            stop.set()


class Failing:
    """A loop that fails at once, after some time on the clock."""

    def __init__(self, error, clock=None, lasts_s=0.0, works=False):
        self._error, self._clock, self._lasts_s = error, clock, lasts_s
        self.works, self._does_work = asyncio.Event(), works

    async def run(self):
        if self._does_work:
            self.works.set()
            await asyncio.sleep(0)
        if self._clock:
            self._clock.now += self._lasts_s
        raise self._error

    def stop(self):
        """Nothing runs any more."""


class Steady:
    """A loop that runs until it is asked to stop, and then takes one more turn."""

    def __init__(self, error=None):
        self.started, self.ended, self._stop, self._error = asyncio.Event(), False, asyncio.Event(), error
        self.works, self.says = asyncio.Event(), "running"

    def part(self, name):
        return Part(name, self.says, 5.0, facts={"sent": 7})

    async def run(self):
        self.started.set()
        await self._stop.wait()
        await asyncio.sleep(0)
        self.ended = True
        if self._error:
            raise self._error

    def stop(self):
        self._stop.set()


def supervised(make, *, waits, clock=None):
    return Supervisor("quotes", make, clock=clock or Clock(), chance=lambda: 0.0, wait=waits)


async def test_a_failed_loop_is_made_anew_each_time_with_a_growing_wait():
    made, waits = [], Waits(until=9)

    def make():
        made.append(Failing(BrokerUnavailable("nobody answers")))
        return made[-1]

    supervisor = supervised(make, waits=waits)
    await supervisor.run(asyncio.Event())

    assert waits.seconds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert len(set(map(id, made))) == 9
    assert supervisor.restarts == 9
    assert supervisor.state == "stopped"


async def test_a_minute_of_health_makes_the_next_wait_small_again():
    clock, waits = Clock(), Waits(until=4)
    lasting = iter([0, 59.0, 60.0, 0])

    supervisor = supervised(lambda: Failing(MembershipLost("out"), clock, next(lasting)), waits=waits, clock=clock)
    await supervisor.run(asyncio.Event())

    assert waits.seconds == [0.5, 1.0, 0.5, 1.0]


async def test_the_traceback_comes_with_the_first_error_of_its_kind_only(caplog):
    errors = iter([MembershipLost("one"), MembershipLost("two"), ValueError("three")])

    await supervised(lambda: Failing(next(errors)), waits=Waits(until=3)).run(asyncio.Event())

    assert [record.exc_info is not None for record in caplog.records] == [True, False, True]
    assert "quotes failed: MembershipLost: two; starting anew in 1.0 s" in caplog.text


async def test_an_outage_is_one_line_when_it_begins_and_one_when_the_loop_works_again(caplog):
    clock = Clock()
    away = [Failing(BrokerUnavailable(f"nobody answers {number}"), clock, 5.0) for number in range(3)]
    loops = iter([*away, Failing(MembershipLost("out"), works=True), Failing(BrokerUnavailable("away again"))])

    await supervised(lambda: next(loops), waits=Waits(until=5), clock=clock).run(asyncio.Event())

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "quotes waits, and goes on by itself: nobody answers 0"),
        ("WARNING", "quotes goes on after 10.0 s."),
        ("ERROR", "quotes failed: MembershipLost: out; starting anew in 4.0 s"),
        ("WARNING", "quotes waits, and goes on by itself: away again"),
    ]


async def test_what_cannot_be_made_counts_as_a_failure():
    def make():
        raise ValueError("wrong settings")

    supervisor = supervised(make, waits=Waits(until=2))
    await supervisor.run(asyncio.Event())

    assert supervisor.restarts == 2


async def test_it_says_how_it_is_while_it_waits():
    seen = []

    async def wait(stop, seconds):
        seen.append((supervisor.state, supervisor.why, supervisor.since, supervisor.restarts))
        stop.set()

    clock = Clock()
    supervisor = supervised(lambda: Failing(MembershipLost("out"), clock, 7.0), waits=wait, clock=clock)
    await supervisor.run(asyncio.Event())

    assert seen == [("waiting", "out", 7.0, 1)]


async def test_until_the_loop_works_it_is_starting_and_then_what_the_loop_says_of_itself():
    clock, loop, stop = Clock(), Steady(), asyncio.Event()
    supervisor = Supervisor("quotes", lambda: loop, clock=clock)
    running = asyncio.create_task(supervisor.run(stop))
    await loop.started.wait()
    before, loop.says = supervisor.part("group quotes"), "waiting"
    waits, loop.says, clock.now = supervisor.part("group quotes"), "running", 9.0

    loop.works.set()
    await until(lambda: supervisor.state == "running")
    works = supervisor.part("group quotes")
    stop.set()
    await running

    assert before == Part("group quotes", "starting", 0.0, facts={"restarts": 0})
    assert waits.state == "waiting"
    assert works == Part("group quotes", "running", 9.0, facts={"sent": 7, "restarts": 0})
    assert supervisor.part("group quotes").state == "stopped"


async def test_an_outage_has_one_beginning_however_often_a_loop_is_made_anew():
    clock, seen = Clock(), []

    async def wait(stop, seconds):
        clock.now += 10
        seen.append(supervisor.part("x"))
        if len(seen) == 3:
            stop.set()

    supervisor = supervised(lambda: Failing(BrokerUnavailable("nobody answers")), waits=wait, clock=clock)
    await supervisor.run(asyncio.Event())

    assert [(part.state, part.since, part.facts["restarts"]) for part in seen] == [
        ("waiting", 0.0, number) for number in (1, 2, 3)
    ]


async def test_what_waiting_does_not_cure_is_told_once_and_ends_it(caplog):
    told, waits, error = [], Waits(until=9), ClientRefused("wrong password")
    supervisor = supervised(lambda: Failing(error), waits=waits)

    await supervisor.run(asyncio.Event(), hopeless=told.append)

    assert (told, waits.seconds, caplog.records) == ([error], [], [])
    assert (supervisor.state, supervisor.why) == ("failed", "wrong password")


async def test_what_waiting_does_not_cure_is_not_told_when_it_is_to_stop_anyway(caplog):
    loop, stop, told = Steady(ClientRefused("wrong password")), asyncio.Event(), []
    running = asyncio.create_task(Supervisor("quotes", lambda: loop).run(stop, hopeless=told.append))
    await loop.started.wait()

    stop.set()
    await running

    assert (told, caplog.records) == ([], [])


async def test_where_nobody_is_to_be_told_it_waits_as_for_anything_else_and_not_in_step_with_others():
    waits, failing = Waits(until=3), Failing(ClientRefused("wrong password"))

    await Supervisor("quotes", lambda: failing, chance=lambda: 0.5, wait=waits).run(asyncio.Event())

    assert waits.seconds == [0.375, 0.75, 1.5]


async def test_what_the_error_of_somebody_else_says_is_for_the_log_only(caplog):
    seen = []

    async def wait(stop, seconds):
        seen.append(supervisor.why)
        stop.set()

    supervisor = supervised(lambda: Failing(ValueError("user=shop")), waits=wait)
    await supervisor.run(asyncio.Event())

    assert seen == ["ValueError: the log says more"]
    assert "user=shop" in caplog.text


async def test_stop_lets_the_loop_finish():
    loop, stop = Steady(), asyncio.Event()
    running = asyncio.create_task(supervise("quotes", lambda: loop, stop=stop))
    await loop.started.wait()

    stop.set()
    await running

    assert loop.ended


async def test_an_error_at_the_stop_is_logged_and_nothing_is_made_anew(caplog):
    loop, stop = Steady(BrokerUnavailable("gone meanwhile")), asyncio.Event()
    supervisor = Supervisor("quotes", lambda: loop)
    running = asyncio.create_task(supervisor.run(stop))
    await loop.started.wait()

    stop.set()
    await running

    assert "it was to stop anyway" in caplog.text
    assert supervisor.restarts == 0


async def test_a_loop_that_returns_by_itself_is_done():
    loop = Steady()
    loop.stop()

    await supervise("quotes", lambda: loop, stop=asyncio.Event())

    assert loop.ended


async def test_nothing_is_made_when_it_is_stopped_before_it_begins():
    stop = asyncio.Event()
    stop.set()

    await supervise("quotes", lambda: pytest.fail("made"), stop=stop)


async def test_cancelling_ends_the_loop_too():
    loop = Steady()
    supervisor = Supervisor("quotes", lambda: loop)
    running = asyncio.create_task(supervisor.run(asyncio.Event()))
    await loop.started.wait()

    running.cancel()
    await asyncio.wait((running,))

    assert running.cancelled()
    assert not loop.ended
    assert supervisor.state == "stopped"


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, logger="events")


async def test_a_loop_that_is_cancelled_by_nobody_is_made_anew(caplog):
    waits = Waits(until=2)

    await supervised(lambda: Failing(asyncio.CancelledError()), waits=waits).run(asyncio.Event())

    assert len(waits.seconds) == 2
    assert "cancelled, but nobody had asked" in caplog.text
