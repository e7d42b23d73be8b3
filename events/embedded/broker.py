"""`Broker`: the child process. It holds a mock cluster, a port that stays, and a control socket.

It ends when nobody has used it for `linger_s` seconds, when it is told to, at SIGTERM and SIGINT, and when its
control socket is gone (somebody deleted the folder). What it keeps ends with it, and it says so.

Ending is one step of the event loop: the control socket goes and all connections with it. So a process that connects
in that moment is cut off before it is welcomed, and looks again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from events.core.errors import BrokerUnavailable
from events.embedded import control
from events.embedded.folder import Folder, State
from events.embedded.forwarder import Forwarder
from events.embedded.mock import Kept, MockCluster

AUTO_PARTITIONS = 4
"""What the mock gives a topic that a client touched before it was declared."""

FIRST_USER_S = 10.0
"""Seconds to wait for the first user, who has just started this broker, however short the linger is."""

LOOK_S = 2.0
"""Seconds between two looks at what the partitions dropped."""

type Found = dict[tuple[str, int], Kept]
"""What partitions keep, by topic and number."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class User:
    """A connection to the control socket; a user once it has declared itself."""

    writer: asyncio.StreamWriter
    declared: control.Declare | None = None

    def tell(self, said: control.Answer) -> None:
        """Send without waiting: answers are few and short."""
        if not self.writer.is_closing():
            self.writer.write(control.line(said))


class Broker:
    """One embedded broker. `run` returns when it has ended. `linger_s`: seconds after the last user."""

    def __init__(self, folder: Folder, linger_s: float) -> None:
        self._folder = folder
        self._linger_s = linger_s
        self._cluster = MockCluster()
        self._cluster.set_rebalance_delay(0)
        self._forwarder = Forwarder(self._cluster.address)
        self._connections: set[User] = set()
        self._topics: dict[str, int] = {}
        self._dropped: dict[tuple[str, int], int] = {}
        self._since = time.monotonic()
        self._address = ""
        self._was_used = False
        self._server: asyncio.Server | None = None
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lingering: asyncio.TimerHandle | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until the end. Calls `ready` once a user may connect."""
        path = self._folder.control_path()
        try:
            await self._open(path)
            ready()
            while not (await asyncio.wait([self._end], timeout=LOOK_S))[0]:
                if not path.exists():
                    self._finish("its control socket is gone")
                self._tell_dropped(await self._kept())
            logger.info("ends: %s", self._end.result())
            await self._forwarder.close()
            logger.info("gone with it: %s", _summary(await self._kept()))
        finally:
            self._cluster.close()

    async def _open(self, path: Path) -> None:
        old = self._folder.state()
        port = await self._forwarder.open(old.port if old else 0)
        self._address = f"127.0.0.1:{port}"
        self._server = await asyncio.start_unix_server(self._converse, path, limit=control.LINE_BYTES)
        self._folder.remember(State(port=port, control=str(path), pid=os.getpid()))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._finish, signal.Signals(number).name)
        self._linger_if_unused()
        logger.info(
            "embedded broker at %s: in memory, for development; nothing survives it. "
            "A partition keeps 5 MiB, a group one member. Ends %g s after its last user.",
            self._address,
            self._linger_s,
        )

    def _finish(self, why: str) -> None:
        """End, in one step: nobody is welcomed any more."""
        if self._end.done():
            return
        self._end.set_result(why)
        if self._server:
            self._server.close()
        self._folder.control_path().unlink(missing_ok=True)
        for connection in self._connections:
            connection.writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = User(writer)
        self._connections.add(user)
        try:
            with contextlib.suppress(OSError, ValueError):  # ValueError: a line longer than the limit
                while text := await reader.readline():
                    self._answer(user, text)
        finally:
            self._leave(user)
            writer.close()

    def _answer(self, user: User, text: bytes) -> None:
        try:
            request = control.request(text)
        except msgspec.MsgspecError as error:
            return user.tell(control.Refused(f"Not a request: {error}"))
        match request:
            case control.Declare():
                self._declare(user, request)
            case control.AskStatus():
                user.tell(self._status())
            case control.Stop():
                self._stop(user)

    def _declare(self, user: User, declared: control.Declare) -> None:
        before = self._all_groups()
        user.declared = declared
        self._was_used = True
        self._linger_if_unused()
        notices = [*self._create_topics(declared.topics), *self._second_members(user)]
        welcome = control.Welcome(self._address, self._all_groups())
        for other in self._users() if self._all_groups() != before else [user]:
            other.tell(welcome)
        for notice in notices:
            self._notify(notice)

    def _leave(self, user: User) -> None:
        before = self._all_groups()
        self._connections.discard(user)
        self._linger_if_unused()
        if (groups := self._all_groups()) != before:
            for other in self._users():
                other.tell(control.Welcome(self._address, groups))

    def _create_topics(self, topics: dict[str, int]) -> Iterable[str]:
        for name, partitions in topics.items():
            if name not in self._topics:
                created = self._cluster.create_topic(name, partitions)
                self._topics[name] = partitions if created else AUTO_PARTITIONS
            if (there := self._topics[name]) != partitions:
                yield f"Topic {name} has {there} partitions, not {partitions}: restart the embedded broker."

    def _second_members(self, user: User) -> Iterable[str]:
        """The mock's groups hold one member: say which are about to break. It has no list of members to ask."""
        mine = set(user.declared.consumes) if user.declared else set()
        for other in self._users():
            shared = mine.intersection(other.declared.consumes) if other is not user and other.declared else ()
            for name in sorted(shared):
                yield (
                    f"Two processes consume group {name} on the embedded broker, which can only do one: "
                    f"stop one of them, or use a real Kafka (EVENTS['BOOTSTRAP_SERVERS'])."
                )

    def _stop(self, user: User) -> None:
        if pids := [other.declared.pid for other in self._users() if other is not user and other.declared]:
            user.tell(control.Refused(f"Still used by {', '.join(f'process {pid}' for pid in pids)}."))
        else:
            user.tell(control.Stopping())
            self._finish("told to stop")

    def _status(self) -> control.Status:
        pids = [user.declared.pid for user in self._users() if user.declared]
        uptime_s = round(time.monotonic() - self._since, 1)
        return control.Status(os.getpid(), self._address, uptime_s, pids, self._topics, self._all_groups())

    def _users(self) -> list[User]:
        return [connection for connection in self._connections if connection.declared]

    def _all_groups(self) -> control.Groups:
        """Those of the users of now. A group that nobody declares any more would hold up the relay for ever."""
        found: dict[str, set[str]] = {}
        for user in self._users():
            for name, topics in user.declared.groups.items() if user.declared else ():
                found.setdefault(name, set()).update(topics)
        return {name: sorted(topics) for name, topics in sorted(found.items())}

    def _notify(self, text: str) -> None:
        logger.warning(text)
        for user in self._users():
            user.tell(control.Notice(text))

    def _linger_if_unused(self) -> None:
        if self._lingering:
            self._lingering.cancel()
            self._lingering = None
        if not self._users():
            seconds = self._linger_s if self._was_used else max(self._linger_s, FIRST_USER_S)
            why = f"nobody used it for {seconds:g} s"
            self._lingering = asyncio.get_running_loop().call_later(seconds, self._finish, why)

    def _tell_dropped(self, found: Found) -> None:
        for (topic, number), kept in found.items():
            if kept.first > self._dropped.get((topic, number), 0):
                self._dropped[topic, number] = kept.first
                self._notify(f"{topic}/{number} has dropped its oldest, {_records(kept.first)} so far: 5 MiB are full.")

    async def _kept(self) -> Found:
        partitions = [(name, number) for name, count in self._topics.items() for number in range(count)]
        return await asyncio.to_thread(_ask_kept, self._cluster, partitions)


def _ask_kept(cluster: MockCluster, partitions: Iterable[tuple[str, int]]) -> Found:
    found: Found = {}
    with contextlib.suppress(BrokerUnavailable):
        for name, number in partitions:
            found[name, number] = cluster.kept(name, number)
    return found


def _summary(found: Found) -> str:
    counts: Counter[str] = Counter()
    for (name, _), kept in found.items():
        counts[name] += kept.end - kept.first
    return ", ".join(f"{name} with {_records(count)}" for name, count in counts.items() if count) or "no records"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
