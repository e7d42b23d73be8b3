"""`held_open`: how a process uses the embedded broker of a folder. Starts it when there is none.

Holding it is holding a connection to its control socket. A thread watches that connection: when the broker dies
under its users, each of them joins the next one, at the same address if the port is still free, with the same topics.
An aiokafka client that is open at that moment knows only the dead cluster's own port and never asks again at the
address (tried): `on_replaced` is the moment to build new ones.

Everything here blocks; `aheld_open` is for event loops.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused, EventsError
from events.embedded import control
from events.embedded.connection import Connection, connect
from events.embedded.folder import Folder

READY_S = 10.0
"""Seconds within which a broker must be there."""

AGAIN_S = 1.0
"""Seconds between two tries to replace a broker that died."""

SOURCE_ROOT = Path(__file__).resolve().parents[2]

logger = logging.getLogger("events.embedded")


@dataclass(frozen=True, slots=True)
class Use:
    """What a process wants of the broker.

    `topics`: partitions by name. `groups`: every group that it knows, with the topics that each reads; `consumes`:
    those of them that it is a member of. `linger_s`: how long a broker that it starts outlives its last user.
    `on_replaced`: called from a thread of ours after a new broker took the place of one that died.
    """

    topics: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    consumes: Sequence[str] = ()
    linger_s: float = 30.0
    on_replaced: Callable[[], None] = lambda: None

    def declaration(self) -> control.Declare:
        """The same, as the broker is told it."""
        groups = {name: sorted(topics) for name, topics in self.groups.items()}
        return control.Declare(os.getpid(), dict(self.topics), groups, list(self.consumes))


class Hold:
    """A broker that this process uses. `open` and `close`, once each; or `held_open`."""

    def __init__(self, folder: str | os.PathLike[str], use: Use) -> None:
        self._folder = Folder(folder)
        self._use = use
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="embedded-broker-watch", daemon=True)
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._welcome = control.Welcome("", {})

    @property
    def address(self) -> str:
        """ "host:port" for Kafka clients."""
        return self._welcome.address

    @property
    def topics(self) -> Mapping[str, int]:
        """The topics that this process declared, with their partitions."""
        return self._use.topics

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Every group that a user of now has declared to this broker, with the topics that each reads."""
        return self._welcome.groups

    def open(self) -> None:
        """Join the broker, or start it. Raises `BrokerUnavailable` after 10 s, with the tail of its log."""
        self._join()
        self._watcher.start()

    def close(self) -> None:
        """Let go of the broker. It ends by itself some time after its last user."""
        self._closing.set()
        with self._lock:
            if self._connection:
                self._connection.leave()
        if self._watcher.ident:
            self._watcher.join(READY_S)

    def consumes(self, groups: Sequence[str]) -> None:
        """Tell the broker that this process is a member of these groups, and each that takes its place."""
        with self._lock:
            self._use = replace(self._use, consumes=groups)
            if self._connection:
                self._connection.say(self._use.declaration())

    def _join(self) -> None:
        connection, welcome = join(self._folder, use := self._use)
        with self._lock:
            self._connection, self._welcome = connection, welcome
            if use is not self._use:
                connection.say(self._use.declaration())
            if self._closing.is_set():
                connection.leave()

    def _watch(self) -> None:
        while True:
            self._listen()
            if self._closing.is_set():
                return
            logger.warning("the embedded broker died: its records in memory are lost. Starting a new one.")
            self._replace()

    def _listen(self) -> None:
        assert self._connection is not None
        with contextlib.closing(self._connection) as connection:
            for said in connection.answers():
                match said:
                    case control.Welcome():
                        self._welcome = said
                    case control.Notice():
                        logger.warning(said.text)

    def _replace(self) -> None:
        before = self.address
        while not self._closing.is_set():
            try:
                self._join()
            except (EventsError, OSError) as error:
                logger.error("no new embedded broker yet: %s", error)
                self._closing.wait(AGAIN_S)
            else:
                same = "at the same address" if before == self.address else f"no longer at {before}"
                logger.warning("a new, empty embedded broker runs at %s, %s.", self.address, same)
                return self._tell_replaced()

    def _tell_replaced(self) -> None:
        try:
            self._use.on_replaced()
        except Exception:  # it is not ours, and the watch must go on
            logger.exception("on_replaced of the embedded broker failed")


@contextlib.contextmanager
def held_open(folder: str | os.PathLike[str], use: Use) -> Iterator[Hold]:
    """Hold the folder's broker. `hold.address` is where Kafka clients bootstrap. Raises `BrokerUnavailable`."""
    hold = Hold(folder, use)
    try:
        hold.open()
        yield hold
    finally:
        hold.close()


@contextlib.asynccontextmanager
async def aheld_open(folder: str | os.PathLike[str], use: Use) -> AsyncIterator[Hold]:
    """The same for event loops: nothing blocks."""
    hold = Hold(folder, use)
    try:
        await asyncio.to_thread(hold.open)
        yield hold
    finally:
        await _close(hold)


async def _close(hold: Hold) -> None:
    """In a thread of its own: at the end of the interpreter no executor takes work, and `stop_runs` may be there.

    Python 3.12 makes no thread there either: then here, where nothing else runs any more.
    """
    closed: Future[None] = Future()
    closed.set_running_or_notify_cancel()  # who no longer waits does not undo it

    def close() -> None:
        hold.close()
        closed.set_result(None)

    try:
        threading.Thread(target=close, name="embedded-broker-close", daemon=True).start()
    except RuntimeError:
        close()
    await asyncio.wrap_future(closed)


def status(folder: str | os.PathLike[str]) -> control.Status | None:
    """How the folder's broker is, or None when none runs."""
    said = _ask(folder, control.AskStatus())
    return said if isinstance(said, control.Status) else None


def stop(folder: str | os.PathLike[str]) -> str | None:
    """End the folder's broker if nobody uses it. Returns None when it is gone, else why it is not."""
    said = _ask(folder, control.Stop())
    return said.why if isinstance(said, control.Refused) else None


def check_allowed(*, debug: bool) -> None:
    """Raises `EmbeddedBrokerRefused` outside development (`debug`: Django's `DEBUG`)."""
    if not debug:
        raise EmbeddedBrokerRefused(
            "The embedded broker keeps events in memory only, so it runs with DEBUG = True only. "
            "Set EVENTS['BOOTSTRAP_SERVERS'] to the address of a Kafka."
        )


def join(folder: Folder, use: Use) -> tuple[Connection, control.Welcome]:
    """Be welcomed by the folder's broker; start one if there is none. Raises `BrokerUnavailable` after 10 s."""
    deadline = time.monotonic() + READY_S
    with folder.locked("start", READY_S):
        while time.monotonic() < deadline:
            if connection := connect(folder, deadline):
                said = connection.ask(use.declaration())
                if isinstance(said, control.Welcome):
                    return connection, said
                connection.close()
                if isinstance(said, control.Refused):  # None: it was just ending, so look again
                    raise BrokerUnavailable(f"The embedded broker does not take us: {said.why}")
            else:
                _start(folder, use.linger_s, deadline=deadline)
    raise BrokerUnavailable(_not_ready(folder))


def _start(folder: Folder, linger_s: float, *, deadline: float) -> None:
    if importlib.util.find_spec("confluent_kafka") is None:
        raise EmbeddedBrokerRefused(
            "The embedded broker needs confluent-kafka: install django-kafka-events[embedded] "
            "or set EVENTS['BOOTSTRAP_SERVERS'] to the address of a Kafka."
        )
    command = [sys.executable, "-m", "events.embedded", "--folder", str(folder.path), "--linger", str(linger_s)]
    paths = os.pathsep.join([str(SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = folder.open_log()
    try:
        started = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,  # never the asker's: a pipe held open by the broker would hang who reads it to its end
            stderr=log,
            cwd=folder.path,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C and --reload end the asker's process group, not the broker
            timeout=max(deadline - time.monotonic(), 0.1),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerUnavailable(_not_ready(folder)) from error
    finally:
        os.close(log)
    if started.returncode:
        raise BrokerUnavailable(_not_ready(folder))


def _not_ready(folder: Folder) -> str:
    return f"No embedded broker within {READY_S:.0f} s. The end of {folder.log}:\n{folder.log_tail()}"


def _ask(folder: str | os.PathLike[str], request: control.Request) -> control.Answer | None:
    asked = Folder(folder)
    connection = connect(asked, time.monotonic() + READY_S)
    if connection is None:
        return None
    with contextlib.closing(connection):
        said = connection.ask(request)
    if isinstance(said, control.Stopping):
        with asked.locked("broker", READY_S):  # free when it has ended, its port too
            pass
    return said
