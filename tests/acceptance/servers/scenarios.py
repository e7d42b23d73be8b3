"""The scenarios of the matrix: what is done to a server, and what was seen.

A scenario is a function of a `Cell`; it returns what the client saw and stops the server by `cell.stop` or `cell.end`.
"""

import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.servers.cluster import Names
from tests.acceptance.servers.process import Request, Served
from tests.acceptance.servers.setups import Setup
from tests.waiting import until_sync

END_S = 25
FOREVER_S = 8  # for what is expected never to end
A_MOMENT_LATER_S = 1.3  # a second Ctrl-C is one that comes more than a second after the first

KILLED = "killed"
"""The exit "code" of what does not end by itself."""


@dataclass(frozen=True)
class Seen:
    """What was seen in a cell. `exit`: a code, or `KILLED`. `lost`: events that are neither in Kafka nor in the outbox.

    `behind`: members left in the group after the exit, None where no group was asked for. `seconds`: from the signal,
    or what broke, to the end. `orphans`: processes outlived the one that we started.
    """

    client: str
    exit: object
    lost: tuple = ()
    behind: int | None = None
    seconds: float = 0.0
    orphans: bool = False


@dataclass
class Cell:
    """A server of a set-up that runs, and its place in Kafka; `names` is None where Kafka is away."""

    setup: Setup
    served: Served
    names: Names | None
    database: Path
    patience: float = END_S
    """How many seconds it has to end."""
    began: float = 0.0
    exit: object = None
    seconds: float = 0.0
    wanted: tuple = ()
    """The names of the events that must not be lost."""

    def up(self):
        """Wait until it serves, and all workers are members."""
        self.served.wait_until_it_serves()
        self.served.wait_for("open", self.setup.workers)
        if self.names:
            self.names.wait_until_joined(self.setup.workers)

    def stop(self, signum=signal.SIGTERM, *, group=False):
        """Signal. The time counts from here."""
        self.began = time.monotonic()
        self.served.signal(signum, group=group)

    def end(self):
        """Wait for the end; kill what does not come to it."""
        code = self.served.ended(self.patience)
        self.seconds = time.monotonic() - self.began
        if code is None:
            self.served.signal(signal.SIGKILL, group=True)
            self.served.ended(END_S)
        self.exit = KILLED if code is None else code

    def seen(self, client):
        """What became of the client, the events and the member."""
        orphans = self.served.leaves_orphans()
        behind = self.names.left_behind() if self.names else None
        return Seen(client, self.exit, self._lost(), behind, round(self.seconds, 1), orphans)

    def _lost(self):
        if not self.wanted:
            return ()
        kept = Counter(self.names.names()) + Counter(self._in_outbox())
        return tuple(sorted((Counter(self.wanted) - kept).elements()))

    def _in_outbox(self):
        with closing(sqlite3.connect(self.database)) as connection:
            values = connection.execute("SELECT value FROM kafka_events_outbox").fetchall()
        return [name for (value,) in values for name in ("slow published", "cut published") if name in str(value)]


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
    became = until_sync(lambda: _what_became(cell, openings), END_S * 2)
    if became == "replaced":
        cell.served.wait_until_it_serves()
    if became != "ended":
        cell.stop()
    cell.end()
    return status if became == "ended" else f"{status}, {became}"


def _what_became(cell, openings):
    """Of a server whose worker is gone: ended, replaced, or, with a reloader, waiting for a change."""
    if cell.served.ended(0.01) is not None:
        return "ended"
    if _reloads(cell):
        return "then it waits" if cell.served.get("/quick/") == "refused" else ""
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
    end = "slow" if status == "200" else "cut"
    if status == "200" or cell.served.said("sending cut"):  # else it had no chance to send anything
        cell.wanted = (end, f"{end} published")
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
    Scenario("start", start),
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
