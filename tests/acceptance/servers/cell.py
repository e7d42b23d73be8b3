"""One cell of the matrix while it is played: its server, its place in Kafka, and what was seen in the end."""

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.servers.cluster import Names
from tests.acceptance.servers.process import Served
from tests.acceptance.servers.setups import Setup

END_S = 25
KILLED = "killed"
"""The exit "code" of what does not end by itself."""

TOLD = {"sent": "/send/", "published": "/publish/"}


@dataclass(frozen=True)
class Seen:
    """What was seen in a cell. `exit`: a code, or `KILLED`.

    `lost`: events that are neither in Kafka nor in the outbox, None where nothing could be sent. `behind`: members left
    in the group after the exit, None where no group was asked for. `seconds`: from the signal, or what broke, to the
    end. `orphans`: processes outlived the one that we started.
    """

    client: str
    exit: object
    lost: tuple | None = None
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
    wanted: tuple | None = None
    """The names of the events that must not be lost; a scenario that leaves it None does not measure that."""

    def up(self):
        """Wait until it serves, and all workers are members."""
        self.served.wait_until_it_serves()
        self.served.wait_for("open", self.setup.workers)
        if self.names:
            self.names.wait_until_joined(self.setup.workers)

    def tell(self):
        """Let it send an event and publish one; what it takes must not be lost. What it answers to either."""
        answers = {name: self.served.get(path) for name, path in TOLD.items()}
        self.want(*(name for name, status in answers.items() if status == "200"))
        return tuple(answers.values())

    def want(self, *names):
        """Count these among the events that must not be lost."""
        self.wanted = (*(self.wanted or ()), *names)

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
        if self.wanted is None:
            return None
        kept = Counter(self._in_outbox()) + Counter(self.names.names() if self.names else ())
        return tuple(sorted((Counter(self.wanted) - kept).elements()))

    def _in_outbox(self):
        with closing(sqlite3.connect(self.database)) as connection:
            return [
                json.loads(value)["name"] for (value,) in connection.execute("SELECT value FROM kafka_events_outbox")
            ]
