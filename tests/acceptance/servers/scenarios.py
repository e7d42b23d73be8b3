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

A_MOMENT_LATER_S = 3  # a second Ctrl-C is one that comes more than a second after the first; no server waits so long


def start(cell):
    """It serves, its members join, events are sent and published; then SIGTERM while nothing runs."""
    cell.up()
    status, _ = cell.tell()
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
    cell.tell()
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
    """A task of a resource's task group dies while a request of 2 s runs: the process leaves, or is replaced."""
    return _broken_down(cell)


def fails_later(cell):
    """The same with `run.fail`: the resources stay up until the request has ended."""
    return _broken_down(cell)


def _broken_down(cell):
    cell.up()
    openings = cell.served.said("opening")
    slow = _slow(cell, "/slow/?dies")
    cell.began = time.monotonic()
    status = slow.outcome()
    became = _patiently(cell, openings)
    if became == "replaced":
        cell.served.wait_for("open", cell.setup.workers + 1)
        cell.served.wait_until_it_serves()
    if became != "ended":
        cell.stop()
    cell.end()
    cell.want(*_told_by_the_slow(cell, status))
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


def _slow(cell, path="/slow/"):
    request = Request(cell.served.port, path)
    cell.served.wait_for("slow began")
    return request


def _told_by_the_slow(cell, status):
    """What may not be lost of the slow request: what it has begun to publish, or to send while it was cancelled."""
    names = ["slow"] if status == "200" else []
    for name in ("slow published", "cut", "cut published"):
        names += [name] * cell.served.said(f"sending {name}")
    return names


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
    cell.want(*_told_by_the_slow(cell, status))
    return status


def stream_open(cell):
    """SIGTERM with an event stream open that ends when the process drains, and sends an event then."""
    return _stopped_with_a_stream(cell, signal.SIGTERM)


def stream_open_ctrl_c(cell):
    """The same with a single Ctrl-C."""
    return _stopped_with_a_stream(cell, signal.SIGINT, group=True)


def _stopped_with_a_stream(cell, signum, *, group=False):
    cell.up()
    stream = _stream(cell, "/stream/")
    cell.stop(signum, group=group)
    cell.end()
    stream.outcome()
    ended = b"bye" in stream.body
    cell.want(*["stream"] * ended)
    return "ended" if ended else "cut"


def _stream(cell, path):
    stream = Request(cell.served.port, path)
    cell.served.wait_for("stream began")
    return stream


def endless_stream_open(cell):
    """SIGTERM with an event stream open that has not heard of stops."""
    cell.up()
    stream = _stream(cell, "/endless/")
    cell.tell()
    cell.stop()
    cell.end()
    return "cut" if stream.outcome() in ("cut", "200") else stream.outcome()


def second_ctrl_c(cell):
    """Ctrl-C with an endless stream open, and another one 3 s later."""
    cell.up()
    stream = _stream(cell, "/endless/")
    cell.tell()
    cell.stop(signal.SIGINT, group=True)
    if cell.served.ended(A_MOMENT_LATER_S) is None:
        cell.served.signal(signal.SIGINT, group=True)
    cell.end()
    return "cut" if stream.outcome() in ("cut", "200") else stream.outcome()


def reload(cell):
    """A watched file changes: the old member leaves, a new one joins. Then Ctrl-C."""
    cell.up()
    cell.tell()
    before = until_sync(cell.names.member_ids)
    cell.served.change_a_file()
    cell.names.wait_until_replaced(before)
    status = cell.served.get("/quick/")
    cell.stop(signal.SIGINT, group=True)
    cell.end()
    return f"replaced, {status}"


def daphne_installed(cell):
    """daphne is in `INSTALLED_APPS`, so its server is loaded, but another one serves: the resources open once."""
    cell.up()
    cell.tell()
    cell.served.wait_for("daphne is loaded")
    openings = cell.served.said("opening")
    cell.stop()
    cell.end()
    return f"opened {openings} time{'s' * (openings != 1)}"


def broker_away(cell):
    """Nobody listens where Kafka should be: it serves all the same, says so when it sends, and stops."""
    cell.up()
    sent, published = cell.tell()
    cell.stop()
    cell.end()
    return f"send {sent}, publish {published}"


def worker_killed(cell):
    """With the broker away a worker is killed: is it replaced, or is everything gone?"""
    cell.up()
    openings = cell.served.said("opening")
    cell.tell()
    cell.began = time.monotonic()
    os.kill(int(cell.served.workers(cell.setup.workers)[0]), signal.SIGKILL)
    if until_sync(lambda: _what_became(cell, openings), END_S * 2) == "ended":
        cell.end()
        return "all down"
    cell.served.wait_for("open", cell.setup.workers + 1)
    status = cell.served.get("/quick/")
    cell.tell()
    cell.stop()
    cell.end()
    return f"replaced, {status}"


@dataclass(frozen=True)
class Scenario:
    """A scenario's name, function and switches. `kafka`: whether there is one. `many`: it needs several workers.

    `setups`: the only ones that it is about, if not all. `but`: a set-up that it does not fit, and why.
    """

    name: str
    do: object
    environment: tuple = ()
    kafka: bool = True
    short: bool = False
    many: bool = False
    setups: tuple = ()
    but: tuple = ("", "")

    def fits(self, setup):
        """Whether it can be played on a set-up."""
        named = not self.setups or setup.name in self.setups
        return named and (setup.workers > 1 or not self.many) and setup.name != self.but[0]

    @property
    def says(self):
        """What is done, in a sentence."""
        return self.do.__doc__


NO_SESSION = "nobody serves by it below systemd, and its parent kills its child whatever that has heard"

SCENARIOS = [
    Scenario("start", start, short=True),
    Scenario("slow-start", slow_start, (("PROBE_START_S", "4"),)),
    Scenario("failed-start", failed_start, (("PROBE_FAIL", "yes"),), short=True),
    Scenario("dies-later", dies_later, short=True),
    Scenario("fails-later", fails_later, (("PROBE_DIES", "run.fail"),)),
    Scenario("sigterm-in-flight", sigterm_in_flight, short=True),
    Scenario("ctrl-c-in-flight", ctrl_c_in_flight),
    Scenario("group-sigterm-in-flight", group_sigterm_in_flight, but=("runserver", NO_SESSION)),
    Scenario("stream", stream_open, short=True),
    Scenario("ctrl-c-stream", stream_open_ctrl_c),
    Scenario("endless-stream", endless_stream_open),
    Scenario("second-ctrl-c", second_ctrl_c),
    Scenario("reload", reload, setups=("uvicorn-reload", "runserver")),
    Scenario("daphne-installed", daphne_installed, (("PROBE_DAPHNE", "1"),), short=True, setups=("uvicorn",)),
    Scenario("broker-away", broker_away, kafka=False),
    Scenario("worker-killed-broker-away", worker_killed, kafka=False, many=True),
]
