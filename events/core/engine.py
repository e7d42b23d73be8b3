"""`Engine`: the consumer loop of one group: fetch, handle, commit; drain when partitions are taken away.

Rules
* Only what is closed is committed, never what was merely fetched. The trackers know; a dead one commits nothing.
* The consumer tells what is ours (`apply`, `give_up`, `lost`), in whatever mode it rebalances. A partition that comes
  back is a new tracker and starts again at Kafka's position.
* What a fetch returns belongs to the trackers of that very moment: nothing is awaited between the two. An engine
  that compared epochs from before the fetch lost 65 of 20,000 records.
* Nobody cancels a fetch, and nothing waits for one at a stop: in a rebalance it may take as long as a dead member's
  session. To stop the consumer ends it. A start that is under way at a stop is cancelled: it may take as long.
* A stop has one deadline for all its steps. What is not done by then is left as it is: Kafka repeats it.
* Any error out of start or fetch is the end: everything is killed, nothing is committed, `run` raises, and
  whoever supervises it builds a new engine and consumer.

    consumer.fetch ──push──▶ Tracker ──wake──▶ Lanes ──▶ handle        fetch: only live trackers with room
                                ▲                          │
    consumer.commit ◀──low── Commits      finish, give_back ┘          commit: own task, every interval
"""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass

from events.core.broker import Claim, Consumer, Partition
from events.core.commits import Commits
from events.core.errors import BrokerUnavailable, waiting_helps
from events.core.facts import EngineState, Facts
from events.core.health import Part
from events.core.lanes import Lanes
from events.core.outcome import Handle
from events.core.tracker import Tracker
from events.core.waiting import wait_at_most

log = logging.getLogger(__name__)

FETCH_AT_MOST = 500  # a slice: twice as quick as a whole buffer, and 9 instead of 32 ms at a time on the loop
IDLE_S = 0.2  # without room somewhere, so often the consumer is still asked, for the sake of its membership
FETCH_END_S = 5.0  # a consumer that was stopped ends its fetch at once


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How much at once, and how long. Times are in seconds.

    `batch`: the most records of one `handle` call. `concurrency`: the most calls at once. `buffer`: the most records
    of one partition that are fetched and not closed, which a crash may repeat. `drain_s`: the most that a stop or a
    rebalance waits for running calls. `stop_s`: the most that a stop takes in all: `drain_s`, the commit's 5 s, and
    time to leave. `lifespan` gives 20 s to everything together.
    """

    batch: int = 1
    concurrency: int = 64
    buffer: int = 1000
    commit_interval_s: float = 1.0
    drain_s: float = 10.0
    stop_s: float = 17.0


class Engine:
    """One consumer and one function. Used once: after `run` has ended, build a new engine and a new consumer.

    `facts` says how it is; `works` is set once it has joined. To its consumer it is the `Owner`.
    """

    def __init__(
        self, consumer: Consumer, handle: Handle, options: EngineOptions = EngineOptions(), *, name: str = ""
    ) -> None:
        self.facts = Facts(name)
        self.works = asyncio.Event()
        self._consumer, self._options = consumer, options
        self._trackers: dict[Partition, Tracker] = {}
        self._lanes = Lanes(handle, self.facts, batch=options.batch, concurrency=options.concurrency)
        self._commits = Commits(consumer, self._trackers)
        self._stopping = asyncio.Event()
        self._stop_by: float | None = None
        self._refusal: BrokerUnavailable | None = None
        self._fetching: asyncio.Task[object] | None = None
        self._tasks: list[asyncio.Task[object]] = []
        self._releases: dict[Partition, asyncio.Task[None]] = {}

    def stop(self) -> None:
        """Ask `run` to stop fetching, let running calls finish, commit and leave. Comes back at once.

        From here on the time limit counts.
        """
        self._stop_by = self._stop_by or asyncio.get_running_loop().time() + self._options.stop_s
        self._stopping.set()
        self._lanes.progressed.set()
        _freeze(self._trackers.values())

    async def run(self) -> None:
        """Run until `stop`. Raises what start or fetch of the consumer raised (`BrokerError`)."""
        end: EngineState = "failed"
        patience_s = 0.0
        self.facts.become("starting")
        try:
            if await self._start():
                await self._work_until_stop()
            end = "stopped"
        except Exception:
            patience_s = self._options.drain_s
            raise
        finally:
            await self._leave(patience_s)
            self.facts.become(end)

    def part(self, name: str) -> Part:
        """How it is: it waits while Kafka, or what its subscribers need, is away."""
        return self.facts.part(name, partitions=len(self._trackers))

    # What the consumer asks: `Owner`.

    def report(self) -> list[Claim]:
        """The partitions worked on, the cheapest to give up first: the fewest running calls, then the fewest open."""
        trackers = sorted(self._trackers.values(), key=lambda tracker: (tracker.started, tracker.open))
        return [Claim(tracker.partition, tracker.state == "frozen") for tracker in trackers]

    def apply(self, assigned: Collection[Partition], release: Collection[Partition] = ()) -> None:
        """Take over `assigned`, drain those also in `release`, drop all others. Synchronous and idempotent."""
        kept = frozenset(assigned)
        self._drop([tracker for partition, tracker in self._trackers.items() if partition not in kept])
        for partition in assigned:
            tracker = self._trackers.setdefault(partition, Tracker(partition))
            if partition in release:
                self._release(tracker)
            else:
                self._keep(tracker)
        self._lanes.progressed.set()

    async def give_up(self) -> None:
        """Drain everything within the drain limit, commit, and drop it all: the partitions go to somebody else."""
        trackers = list(self._trackers.values())
        try:
            await self._drain(trackers)
            await self._commits.now()
        finally:
            self._drop(trackers)

    def lost(self, why: str) -> None:
        """The group has thrown us out: drop everything, commit nothing."""
        self.facts.lose(why)
        self._drop(list(self._trackers.values()))

    def reach(self, error: BrokerUnavailable | None) -> None:
        """Kafka does not answer, or answers again. When waiting does not help the engine fails with that error."""
        self.facts.reach(str(error or ""))
        self._refusal = None if error is None or waiting_helps(error) else error

    # The loops.

    async def _start(self) -> bool:
        """Join the group. False: the stop came first."""
        await self._until_stop(self._begin(self._consumer.start(self)))
        return not self._stopping.is_set()

    async def _work_until_stop(self) -> None:
        self.facts.become("running")
        self.works.set()
        fetching = self._fetching = self._begin(self._fetch_until_stop())
        committing = self._begin(self._commits.every(self._options.commit_interval_s))
        await self._until_stop(fetching, committing)
        self.facts.become("draining")
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._stop_by):
                await self._drain(list(self._trackers.values()))
                _raise_error_of(fetching, committing)
                await self._commits.now()

    async def _until_stop(self, *tasks: asyncio.Task[object]) -> None:
        """Wait for the stop, or for the end of one of these. Raises what they raised."""
        stopping = self._begin(self._stopping.wait())
        await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
        _raise_error_of(*tasks)

    def _begin(self, work: Coroutine[None, None, object]) -> asyncio.Task[object]:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _leave(self, patience_s: float) -> None:
        self.stop()
        self._drop(list(self._trackers.values()))
        try:
            async with asyncio.timeout_at(self._stop_by):
                await self._close(patience_s)
        except TimeoutError:
            log.warning("%s: not everything was closed within %g s.", self.facts.name, self._options.stop_s)
        await _end(self._tasks)

    async def _close(self, patience_s: float) -> None:
        # What is not the fetch goes first: a commit or a start that hangs would hold up the consumer's stop.
        await _end([task for task in (*self._tasks, *self._releases.values()) if task is not self._fetching])
        await asyncio.gather(self._consumer.stop(), self._lanes.end(patience_s))
        if self._fetching:
            await asyncio.wait((self._fetching,), timeout=FETCH_END_S)

    async def _fetch_until_stop(self) -> None:
        while not self._stopping.is_set():
            wanted = [tracker for tracker in self._trackers.values() if self._room(tracker)]
            await self._fetch(wanted)
            if self._refusal:
                raise self._refusal
            await (self._lanes.budget.spend() if wanted else self._wait_for_room())

    def _room(self, tracker: Tracker) -> int:
        # From half empty on: a partition that is asked for again must wait for a fetch that is under way, so
        # there has to be work left; and a fetch for a single record is as dear as one for many.
        room = tracker.room(self._options.buffer)
        return room if room * 2 >= self._options.buffer else 0

    async def _fetch(self, wanted: Collection[Tracker]) -> None:
        at_most = min([FETCH_AT_MOST, *map(self._room, wanted)])
        fetched = await self._consumer.fetch([tracker.partition for tracker in wanted], at_most)
        # No await from here on: these records belong to the trackers of this moment.
        for partition, records in fetched.items():
            if (tracker := self._trackers.get(partition)) and tracker.push(records):
                self._lanes.wake(tracker)
        for tracker in wanted:
            if self._trackers.get(tracker.partition) is tracker:
                tracker.advance(self._consumer.position(tracker.partition))

    async def _wait_for_room(self) -> None:
        loop, progressed = asyncio.get_running_loop(), self._lanes.progressed
        until = loop.time() + IDLE_S
        while not any(map(self._room, self._trackers.values())) and not self._stopping.is_set():
            progressed.clear()
            if not await wait_at_most(progressed, until - loop.time()):
                return

    # Keeping and giving up.

    def _keep(self, tracker: Tracker) -> None:
        if release := self._releases.pop(tracker.partition, None):
            release.cancel()
        if self._stopping.is_set():
            tracker.freeze()
        else:
            tracker.thaw()
            self._lanes.wake(tracker)

    def _release(self, tracker: Tracker) -> None:
        if tracker.state == "live":
            tracker.freeze()  # at once: the next report of claims must say so
            self._releases[tracker.partition] = asyncio.create_task(self._let_go(tracker))

    async def _let_go(self, tracker: Tracker) -> None:
        await self._drain([tracker])
        await self._commits.now()
        self._drop([tracker])

    async def _drain(self, trackers: Collection[Tracker]) -> None:
        _freeze(trackers)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain_s):
                for tracker in trackers:
                    await tracker.drained.wait()

    def _drop(self, trackers: Iterable[Tracker]) -> None:
        for tracker in trackers:
            tracker.kill()
            self.facts.forget(tracker.partition)
            if self._trackers.get(tracker.partition) is tracker:
                del self._trackers[tracker.partition]


def _freeze(trackers: Iterable[Tracker]) -> None:
    for tracker in trackers:
        tracker.freeze()


async def _end(tasks: Collection[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _raise_error_of(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        if task.done():
            task.result()
