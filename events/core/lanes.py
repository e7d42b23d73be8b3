"""`Lanes`: who works on what has been fetched, lanes side by side.

A lane is the records of one key, in order; which lane a record is in follows from the record alone. Here that is its
partition: the coarsest lane there is, and right, because all records of a key are in one partition. So today keys of
one partition wait for each other. Nothing outside this file and the tracker counts on it: lanes may become finer.

Rules
* A lane hands one record, or one batch, to `handle` after the other. The lanes together run at most `concurrency`
  calls at once; a lane that waits for a retry or for the end of an outage holds no call.
* What `handle` did not close goes back to its place in the queue before the wait, so that a partition which is given
  up meanwhile has nothing to wait for.
* A lane outlives the tracker that it works for. While a call of a lost ownership still runs, the next ownership of
  the same partition waits for it: no key is ever handled twice at once in one process.
* `handle` never raises and answers once per record. When it does otherwise that is a bug in it; the records are
  treated as in an outage, so that nothing is lost while somebody looks at the log.

    push ──wake──▶ take ──▶ handle ──▶ closed ──▶ take ...
                    ▲                  again, outage: give_back ──▶ pause, cut short by freeze and kill ──┐
                    └─────────────────────────────────────────────────────────────────────────────────────┘
"""

import asyncio
import logging
from collections.abc import Collection, Sequence

from events.core.broker import Partition
from events.core.budget import LoopBudget
from events.core.extra import extra
from events.core.facts import Facts
from events.core.outcome import Again, Done, Handle, Outage, Outcome
from events.core.retry import BackOff
from events.core.tracker import Slot, Tracker
from events.core.waiting import wait_at_most

log = logging.getLogger(__name__)

OUTAGE_FIRST_S, OUTAGE_MOST_S = 0.5, 10.0
CANCEL_S = 1.0  # for calls that were cancelled: longer would only wait for those that refuse to end


class Lanes:
    """All lanes of one engine. `progressed` is set whenever a lane has made room or ended."""

    def __init__(self, handle: Handle, facts: Facts, *, batch: int, concurrency: int) -> None:
        self.handle, self.facts, self.batch = handle, facts, batch
        self.calls = asyncio.Semaphore(concurrency)
        self.budget = LoopBudget()
        self.progressed = asyncio.Event()
        self._lanes: dict[Partition, Lane] = {}

    def wake(self, tracker: Tracker) -> None:
        """Something of this tracker may start. From now on its partition's lane works for it alone."""
        lane = self._lanes.setdefault(tracker.partition, Lane(self))
        lane.work_for(tracker)

    async def end(self, limit_s: float) -> None:
        """Wait so long for running calls, then cancel them. Call it when nothing new can start any more."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task and not lane.task.done()]
        if await _unfinished(tasks, limit_s):
            for task in tasks:
                task.cancel()
            await _unfinished(tasks, CANCEL_S)


class Lane:
    """One lane: today a partition, across all its trackers. `task` is there while it works."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._tracker: Tracker | None = None
        self._back_off = BackOff(OUTAGE_FIRST_S, OUTAGE_MOST_S)
        self.task: asyncio.Task[None] | None = None

    def work_for(self, tracker: Tracker) -> None:
        """Work for this tracker, once the call that runs has ended."""
        self._tracker = tracker
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work(), name=f"lane {tracker.partition}")

    async def _work(self) -> None:
        # Nothing is awaited between the last look and the end of the task, so no wake is missed.
        while (tracker := self._tracker) and tracker.has_work:
            pause_s = await self._step(tracker)
            self._lanes.progressed.set()
            await (wait_at_most(tracker.stopped, pause_s) if pause_s else self._lanes.budget.spend())

    async def _step(self, tracker: Tracker) -> float:
        """Hand over what comes next. Seconds to wait before the next step."""
        async with self._lanes.calls:
            if not (slots := tracker.take(self._lanes.batch)):
                return 0.0
            outcomes = await self._ask(slots)
        return self._settle(tracker, slots, outcomes=outcomes)

    async def _ask(self, slots: Sequence[Slot]) -> Sequence[Outcome]:
        try:
            outcomes = await self._lanes.handle([slot.record for slot in slots])
            if len(outcomes) != len(slots):
                raise ValueError(f"handle answered {len(outcomes)} outcomes for {len(slots)} records")
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            return self._bug(slots, error)
        return outcomes

    def _bug(self, slots: Sequence[Slot], error: BaseException) -> Sequence[Outcome]:
        first, name = slots[0].record, self._lanes.facts.name
        log.error("%s: handle failed on %s", name, first.place, extra=extra(first), exc_info=error)
        return [Outage(f"handle failed: {type(error).__name__}")] * len(slots)

    def _settle(self, tracker: Tracker, slots: Sequence[Slot], *, outcomes: Sequence[Outcome]) -> float:
        if tracker.state == "dead":
            return 0.0
        pairs = list(zip(slots, outcomes, strict=True))
        closed = [slot for slot, outcome in pairs if isinstance(outcome, Done)]
        tracker.finish(closed)
        tracker.give_back([slot for slot, outcome in pairs if not isinstance(outcome, Done)])
        self._lanes.facts.closed(len(closed))
        return self._wait_for(tracker, [outcome for outcome in outcomes if not isinstance(outcome, Done)])

    def _wait_for(self, tracker: Tracker, undone: Collection[Again | Outage]) -> float:
        facts, partition = self._lanes.facts, tracker.partition
        whys = [outcome.why for outcome in undone if isinstance(outcome, Outage)]
        facts.outage += len(whys)
        facts.again += len(undone) - len(whys)
        if whys:
            facts.away(partition, whys[0])
            return self._back_off.next()
        self._back_off.reset()
        facts.back(partition)
        return max((outcome.after_s for outcome in undone if isinstance(outcome, Again)), default=0.0)


async def _unfinished(tasks: Collection[asyncio.Task[None]], limit_s: float) -> Collection[asyncio.Task[None]]:
    return (await asyncio.wait(tasks, timeout=limit_s))[1] if tasks else ()
