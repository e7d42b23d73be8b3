"""The scenarios of the matrix: what is done to a server.

A scenario is a function of a `Cell`; it stops the server, waits for its end, and returns what the client saw.
"""

import os
import signal
import time
from dataclasses import dataclass

from tests.acceptance.servers.cell import END_S
from tests.acceptance.servers.process import Request
from tests.waiting import until_sync

A_MOMENT_LATER_S = 1.3  # a second Ctrl-C is one that comes more than a second after the first


def start(cell):
    """It serves, its members join, an event is sent; then SIGTERM while nothing runs."""
    cell.up()
    status = cell.served.get("/send/")
    cell.wanted = ("quick",)
    cell.stop()
    cell.end()
    return status


def slow_start(cell):
    """A resource takes 4 s: what happens to a client meanwhile?"""
    cell.served.wait_for("opening")
    first = cell.served.get("/quick/")
    if first == "refused":
        cell.served.wait_until_it_serves()
    early = "" if cell.served.said("open") else ", before it was open"
    cell.up()
    cell.stop()
    cell.end()
    return f"refused, then 200{early}" if first == "refused" else f"{first} in the end{early}"


def failed_start(cell):
    """A resource raises: nobody may be served."""
    cell.began = time.monotonic()
    answers = set()
    until_sync(lambda: answers.add(cell.served.get("/quick/")) or _over_or_waiting(cell), END_S * 2)
    if cell.served.ended(0.01) is None:
        cell.stop()
    cell.end()
    return "served" if "200" in answers else "not served"


def _over_or_waiting(cell):
    """Ended, or, with a reloader, waiting for a change."""
    return cell.served.ended(0.01) is not None or (_reloads(cell) and "not started" in cell.served.text)


def dies_later(cell):
    """A background task dies while a request of 2 s runs: the process drains and leaves, or is replaced."""
    cell.up()
    slow = _slow(cell)
    openings = cell.served.said("opening")
    cell.began = time.monotonic()
    cell.served.get("/breakdown/")
    status = slow.outcome()
    became = _patiently(cell, openings)
    if became == "replaced":
        cell.served.wait_until_it_serves()
    if became != "ended":
        cell.stop()
    cell.end()
    return status if became == "ended" else f"{status}, {became}"


def _patiently(cell, openings):
    try:
        return until_sync(lambda: _what_became(cell, openings), cell.patience * 2)
    except AssertionError:
        return "as if nothing had happened"


def _what_became(cell, openings):
    """Of a server whose worker is gone: ended, replaced, or, with a reloader, waiting for a change."""
    if cell.served.ended(0.01) is not None:
        return "ended"
    if _reloads(cell):
        return "then it waits" if cell.served.said("closed") else ""
    return "replaced" if cell.served.said("opening") > openings else ""


def _reloads(cell):
    return cell.setup.name in ("uvicorn-reload", "runserver")


def _slow(cell):
    request = Request(cell.served.port, "/slow/")
    cell.served.wait_for("slow began")
    return request


def sigterm_in_flight(cell):
    """SIGTERM to the process that was started, with a request of 2 s in flight that then sends and publishes."""
    return _stopped_in_flight(cell, signal.SIGTERM)


def ctrl_c_in_flight(cell):
    """The same with Ctrl-C: SIGINT to all processes of the session."""
    return _stopped_in_flight(cell, signal.SIGINT, group=True)


def group_sigterm_in_flight(cell):
    """The same with SIGTERM to all processes, as systemd sends it."""
    return _stopped_in_flight(cell, signal.SIGTERM, group=True)


def _stopped_in_flight(cell, signum, *, group=False):
    cell.up()
    slow = _slow(cell)
    cell.stop(signum, group=group)
    cell.end()
    status = slow.outcome()
    cell.wanted = ("slow",) if status == "200" else ()
    for name in ("slow published", "cut", "cut published"):
        cell.wanted += (name,) * cell.served.said(f"sending {name}")
    return status


def stream_open(cell):
    """SIGTERM with an event stream open that ends when the process drains, and sends an event then."""
    cell.up()
    stream = Request(cell.served.port, "/stream/")
    cell.served.wait_for("stream began")
    cell.stop()
    cell.end()
    stream.outcome()
    cell.wanted = ("stream",) if b"bye" in stream.body else ()
    return "ended" if b"bye" in stream.body else "cut"


def endless_stream_open(cell):
    """SIGTERM with an event stream open that has not heard of stops."""
    cell.up()
    stream = Request(cell.served.port, "/endless/")
    cell.served.wait_for("stream began")
    cell.stop()
    cell.end()
    return "cut" if stream.outcome() in ("cut", "200") else stream.outcome()


def second_ctrl_c(cell):
    """Ctrl-C with an endless stream open, and another one a moment later."""
    cell.up()
    stream = Request(cell.served.port, "/endless/")
    cell.served.wait_for("stream began")
    cell.stop(signal.SIGINT, group=True)
    if cell.served.ended(A_MOMENT_LATER_S) is None:
        cell.served.signal(signal.SIGINT, group=True)
    cell.end()
    return "cut" if stream.outcome() in ("cut", "200") else stream.outcome()


def broker_away(cell):
    """Nobody listens where Kafka should be: it serves all the same, says so when it sends, and stops."""
    cell.up()
    status = cell.served.get("/send/")
    cell.stop()
    cell.end()
    return f"200, send {status}"


def worker_killed(cell):
    """With the broker away a worker is killed: is it replaced, or is everything gone?"""
    cell.up()
    openings = cell.served.said("opening")
    cell.began = time.monotonic()
    os.kill(int(cell.served.workers(cell.setup.workers)[0]), signal.SIGKILL)
    if until_sync(lambda: _what_became(cell, openings), END_S * 2) == "ended":
        cell.end()
        return "all down"
    cell.served.wait_for("open", cell.setup.workers + 1)
    status = cell.served.get("/quick/")
    cell.stop()
    cell.end()
    return f"replaced, {status}"


@dataclass(frozen=True)
class Scenario:
    """A scenario's name, function and switches. `kafka`: whether there is one. `many`: it needs several workers.

    `production`: it does not fit a server for development.
    """

    name: str
    do: object
    environment: tuple = ()
    kafka: bool = True
    short: bool = False
    many: bool = False
    production: bool = False

    def fits(self, setup):
        """Whether it can be played on a set-up."""
        return (setup.workers > 1 or not self.many) and not (self.production and setup.development)

    @property
    def says(self):
        """What is done, in a sentence."""
        return self.do.__doc__


SCENARIOS = [
    Scenario("start", start, short=True),
    Scenario("slow-start", slow_start, (("PROBE_START_S", "4"),)),
    Scenario("failed-start", failed_start, (("PROBE_FAIL", "yes"),), short=True),
    Scenario("dies-later", dies_later),
    Scenario("sigterm-in-flight", sigterm_in_flight, short=True),
    Scenario("ctrl-c-in-flight", ctrl_c_in_flight),
    Scenario("group-sigterm-in-flight", group_sigterm_in_flight, production=True),
    Scenario("stream", stream_open, short=True),
    Scenario("endless-stream", endless_stream_open),
    Scenario("second-ctrl-c", second_ctrl_c),
    Scenario("broker-away", broker_away, kafka=False),
    Scenario("worker-killed-broker-away", worker_killed, kafka=False, many=True),
]
