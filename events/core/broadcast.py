"""`Broadcast`: what one broadcast subscriber hears in this process, and the loop that listens for it.

Every process listens for itself, in no group: from the end, at most once.

Rules
* Each broadcast subscriber has a listener of its own, and one call at a time: in the order of each partition, and one
  that hangs holds up nobody else. What is sent meanwhile waits in Kafka.
* An event counts as heard before its call begins. Whatever becomes of the call, it does not come again.
* `Broadcast` outlives its loops: where the next listener goes on after an error is what the last one heard.
* At a stop the call that runs has some seconds to end, then it is cancelled; what was fetched behind it is dropped.

    listener.fetch ──▶ record ──▶ positions: heard ──▶ hear ──▶ next record ...
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from events.core.broker import Listener, Partition, Record
from events.core.budget import LoopBudget
from events.core.errors import waiting_helps
from events.core.extra import extra
from events.core.facts import EngineState, Facts
from events.core.health import Part

log = logging.getLogger(__name__)

FETCH_AT_MOST = 500
STOP_S = 5.0
"""Seconds that the call that runs at a stop may go on."""

type Hear = Callable[[Record], Awaitable[None]]
"""Calls the subscriber for a record. It never raises but when it is cancelled."""


class Broadcast:
    """One subscriber. `tried`: set when the first listener hears, or has failed; what is sent after it hears is heard.

    `positions`: the offsets after what was heard. `listening` makes the loops, for a supervisor.
    """

    def __init__(self, name: str, make_listener: Callable[[], Listener], hear: Hear) -> None:
        self.name, self.hear = name, hear
        self.positions: dict[Partition, int] = {}
        self.tried = asyncio.Event()
        self._make_listener = make_listener

    def listening(self) -> "Listening":
        """A new loop, with a new listener."""
        return Listening(self, self._make_listener())


class Listening:
    """The loop of one listener. Used once. `works` is set as soon as it hears, `facts` say how it is."""

    def __init__(self, broadcast: Broadcast, listener: Listener) -> None:
        self._broadcast, self._listener = broadcast, listener
        self.works = asyncio.Event()
        self.facts = Facts(broadcast.name)
        self._stopping = asyncio.Event()
        self._calling = False
        self._budget = LoopBudget()

    def stop(self) -> None:
        """Ask `run` to return once the call that runs has ended. Comes back at once."""
        self._stopping.set()

    def part(self, name: str) -> Part:
        """How it is, while it hears: it waits while Kafka is away."""
        return self.facts.part(name)

    async def run(self) -> None:
        """Listen until `stop`. Raises what start or fetch of the listener raised (`BrokerError`)."""
        end: EngineState = "failed"
        self.facts.become("starting")
        listening, stopping = asyncio.create_task(self._listen()), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((listening, stopping), return_when=asyncio.FIRST_COMPLETED)
            await self._finish(listening)
            end = "stopped"
        finally:
            self._broadcast.tried.set()
            for task in (listening, stopping):
                task.cancel()
            await asyncio.wait((listening, stopping))
            await self._listener.stop()
            self.facts.become(end)

    async def _finish(self, listening: asyncio.Task[None]) -> None:
        if self._calling and not listening.done():
            self.facts.become("draining")
            await asyncio.wait((listening,), timeout=STOP_S)
        if listening.done():
            listening.result()

    async def _listen(self) -> None:
        heard = self._broadcast.positions
        begins = await self._listener.start(dict(heard))
        heard.update(begins)
        self.facts.become("running")
        self.works.set()
        self._broadcast.tried.set()
        while True:
            records = await self._listener.fetch(FETCH_AT_MOST)
            if (away := self._listener.away) and not waiting_helps(away):
                raise away
            self.facts.reach(str(away or ""))
            for record in records:
                heard[Partition(record.topic, record.partition)] = record.offset + 1
                await self._hear(record)
                if self._stopping.is_set():
                    return
                await self._budget.spend()

    async def _hear(self, record: Record) -> None:
        self._calling = True
        try:
            await self._broadcast.hear(record)
        except Exception:
            # A bug in `hear`: the record is dropped like any that fails.
            name = self._broadcast.name
            log.exception("%s: hear failed on %s", name, record.place, extra=extra(record))
        finally:
            self._calling = False
        self.facts.closed(1)
