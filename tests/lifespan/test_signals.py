"""Stop signals: heard, handed on, set back, and sent to whoever drains the process."""

import asyncio
import multiprocessing
import os
import signal
import threading
from types import SimpleNamespace

import pytest

from lifespan import Run, signals
from lifespan.signals import StopSignals
from tests.virtual_time import in_virtual_time
from tests.waiting import until


@pytest.fixture
def in_hypercorns_worker(monkeypatch):
    """A worker process in which nobody handles SIGTERM; gives what was sent, instead of sending it."""
    sent = []
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setattr(multiprocessing, "parent_process", object)
    monkeypatch.setattr(signal, "raise_signal", lambda signum: sent.append(("itself", signum)))
    kill = os.kill
    monkeypatch.setattr(
        os, "kill", lambda pid, signum: kill(pid, signum) if pid == os.getpid() else sent.append((pid, signum))
    )
    return sent


def test_a_signal_is_heard_first_and_handed_on(server):
    order = []
    with StopSignals(lambda again: order.append((again, list(server)))):
        signal.raise_signal(signal.SIGTERM)

    assert order == [(False, [])]
    assert server == [signal.SIGTERM]


def test_handlers_are_set_back_at_the_end(server):
    theirs = signal.getsignal(signal.SIGTERM)
    with StopSignals(server.append):
        assert signal.getsignal(signal.SIGTERM) != theirs

    assert signal.getsignal(signal.SIGTERM) is theirs


def test_a_handler_set_after_ours_stays(server):
    ours = []

    with StopSignals(ours.append):
        middle = signal.getsignal(signal.SIGTERM)

        def later(signum, frame):
            middle(signum, frame)

        signal.signal(signal.SIGTERM, later)
    signal.raise_signal(signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is later
    assert server == [signal.SIGTERM]


def test_a_late_signal_does_not_meet_a_closed_loop(server):
    loop = asyncio.new_event_loop()
    loop.close()
    with StopSignals(lambda again: loop.call_soon_threadsafe(print)):
        signal.raise_signal(signal.SIGTERM)

    assert server == [signal.SIGTERM]


def test_what_nobody_handles_or_all_ignore_stays_so():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with StopSignals(print) as stops:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not stops.adopted
        assert not stops.ask_to_stop()


async def test_alone_takes_what_is_not_ignored_and_calls_nobody_else(server):
    heard = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with StopSignals(heard.append, alone=True) as stops:
        for signum in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
            signal.raise_signal(signum)
        await until(lambda: len(heard) == 2)
        assert not stops.adopted

    assert heard == [False, False]
    assert server == []


async def test_alone_a_signal_wakes_a_loop_that_sleeps(server):
    """Without, one that comes just before the loop goes to sleep is heard when something else wakes it, or never."""
    theirs = signal.getsignal(signal.SIGTERM)
    with StopSignals(print, alone=True):
        wakes = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakes)

    assert wakes != -1
    assert signal.set_wakeup_fd(-1) == -1
    assert signal.getsignal(signal.SIGTERM) is theirs


def test_outside_the_main_thread_nothing_is_heard(server):
    found = []

    def listen():
        with StopSignals(found.append) as stops:
            found.append(stops.ask_to_stop())

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()

    assert found == [False]
    assert server == []


def test_the_server_is_asked_by_sigterm(server):
    with StopSignals(lambda again: None) as stops:
        assert stops.ask_to_stop()

    assert server == [signal.SIGTERM]


def test_a_handler_that_raises_keyboard_interrupt_is_not_asked():
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    with StopSignals(print) as stops:
        assert not stops.ask_to_stop()


def test_in_hypercorns_worker_sigterm_is_adopted_and_the_parent_asked(in_hypercorns_worker):
    heard = []

    with StopSignals(heard.append) as stops:
        assert stops.adopted
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops.ask_to_stop()

    assert heard == [False]
    assert in_hypercorns_worker == [(os.getppid(), signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_adopted_process_ends_itself_when_no_shutdown_comes(in_hypercorns_worker):
    runs = []

    async def work():
        run = Run(shutdown_timeout=20)
        runs.append(run)
        await run.start()
        os.kill(os.getpid(), signal.SIGTERM)
        await run.draining.wait()
        assert run.stage == "up"
        await asyncio.sleep(1000)

    with pytest.raises(SystemExit) as left:
        in_virtual_time(work())

    assert (runs[0].loop.time(), runs[0].stage) == (pytest.approx(20), "ended")
    assert left.value.code == 1


def test_an_adopted_process_is_left_to_its_server_when_the_shutdown_comes(in_hypercorns_worker):
    async def work():
        run = Run(shutdown_timeout=20)
        await run.start()
        os.kill(os.getpid(), signal.SIGTERM)
        await run.draining.wait()
        await run.finish()
        await asyncio.sleep(30)
        return run.problems

    assert in_virtual_time(work()) == []
    assert in_hypercorns_worker == []


async def test_a_stop_signal_sets_draining_and_leaves_the_run_up(server):
    run = Run()
    await run.start()

    signal.raise_signal(signal.SIGTERM)
    await run.draining.wait()

    assert run.stage == "up"
    assert server == [signal.SIGTERM]
    await run.finish()


INT, TERM, QUIT = signal.SIGINT, signal.SIGTERM, signal.SIGQUIT


@pytest.mark.parametrize(
    ("alone", "sent", "again"),
    [
        (False, [(0.0, INT), (0.9, INT), (5.0, INT)], [False, False, True]),
        (False, [(0.0, TERM), (5.0, TERM), (5.0, INT)], [False, False, True]),  # TERM: its parent, and its manager
        (True, [(0.0, TERM), (0.9, TERM), (5.0, QUIT), (6.0, INT)], [False, False, True, True]),
    ],
)
@pytest.mark.usefixtures("server")
async def test_a_later_signal_is_a_second_wish(monkeypatch, alone, sent, again):
    heard, clock = [], [100.0]
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    signal.signal(signal.SIGINT, lambda signum, frame: None)

    with StopSignals(heard.append, alone=alone):
        for number, (at, signum) in enumerate(sent, 1):
            clock[0] = 100.0 + at
            signal.raise_signal(signum)
            await until(lambda number=number: len(heard) == number)

    assert heard == again
