"""`Tracker`: how far one partition is done during one ownership, and so where to start again.

Words
* An offset is *open* from the moment its record is pushed, and *closed* when it is done with.
* The *position* is where to start again: the first open offset; with nothing open, the one after the last known.
* A slot holds one open record: `queued` until it is started, then `started`, then `closed`.

    offset     4   5   6   .   8   9  10       7 is a gap: compacted away, or a transaction's marker
    slot      ■■  ■■  ▶▶      ■■  ▶▶  □□       ■ closed  ▶ started  □ queued
                       ▲           ▲       ▲
                     low       highest    next

Rules
* Only `low` is ever committed. Slots stand in the order of the fetch; from the head, closed ones leave.
* Gaps are not work. Only offsets that were handed over are tracked, nobody waits for offset n + 1.
* One tracker per partition and ownership. A partition that comes back is a new tracker.
* live → frozen: it is being given up. Nothing starts above `highest`, the highest started offset; everything at or
  below it finishes, so that a clean move repeats nothing. The queue stays, so nothing has to set `next` back, and to
  thaw costs nothing. `drained` is set when no more is going to finish. Pushes are dropped: a consumer that thaws a
  partition must start again at its `next`.
* dead: it commits nothing, starts nothing, and whatever still finishes changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from events.core.broker import Partition, Record


@dataclass(slots=True, eq=False)
class Slot:
    """An open record and how far it is."""

    record: Record
    state: Literal["queued", "started", "closed"] = "queued"


class Tracker:
    """One partition during one ownership. Asked, it answers at once; it waits for nothing and knows no clock.

    `next`: the offset after everything handed over, None until something is known. `committed`: what the broker has
    stored, None until a commit. `stopped` is set while it is frozen or dead, `drained` when in addition nothing of
    it is going to finish any more.
    """

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.state: Literal["live", "frozen", "dead"] = "live"
        self.next: int | None = None
        self.committed: int | None = None
        self.started = 0
        self.stopped = asyncio.Event()
        self.drained = asyncio.Event()
        self._slots: deque[Slot] = deque()
        self._highest = -1

    # Not __len__: an empty tracker would be false, and `if tracker` skips its first records.
    @property
    def open(self) -> int:
        """The slots, those included that closed behind an open one: what a crash now would repeat at most."""
        return len(self._slots)

    @property
    def low(self) -> int | None:
        """The position: the first open offset, else `next`. None: nothing is known yet."""
        return self._slots[0].record.offset if self._slots else self.next

    @property
    def due(self) -> int | None:
        """The position, when it is worth a commit; None when it is stored already or the tracker is dead."""
        low = self.low
        if self.state == "dead" or low is None or (self.committed is not None and low <= self.committed):
            return None
        return low

    @property
    def has_work(self) -> bool:
        """Whether `take` would hand out anything."""
        return any(self._may_start(slot) for slot in self._slots)

    def room(self, span: int) -> int:
        """How many records it takes before `span` slots are open. None of them unless it is live."""
        return max(0, span - len(self._slots)) if self.state == "live" else 0

    def push(self, records: Sequence[Record]) -> list[Slot]:
        """Open these records, in the order of their offsets. Their slots; none when it is frozen or dead."""
        if self.state != "live" or not records:
            return []
        slots = [Slot(record) for record in records]
        self._slots.extend(slots)
        self.advance(records[-1].offset + 1)
        return slots

    def advance(self, position: int | None) -> None:
        """The consumer stands here now: everything below was handed over, or is a gap."""
        if self.state == "live" and position is not None:
            self.next = position if self.next is None else max(self.next, position)

    def take(self, at_most: int) -> list[Slot]:
        """Start up to so many queued slots, the first ones. None of them above `highest` when it is frozen."""
        startable = (slot for slot in self._slots if self._may_start(slot))
        return [slot for slot in islice(startable, at_most) if self.start(slot)]

    def start(self, slot: Slot) -> bool:
        """Start a queued slot, in whatever order. False: it may not start, leave it."""
        if not self._may_start(slot):
            return False
        slot.state = "started"
        self.started += 1
        self._highest = max(self._highest, slot.record.offset)
        return True

    def finish(self, slots: Iterable[Slot]) -> None:
        """Close started slots: they are done with. In a dead tracker nothing changes."""
        if self.state == "dead":
            return
        for slot in slots:
            slot.state = "closed"
            self.started -= 1
        while self._slots and self._slots[0].state == "closed":
            self._slots.popleft()
        self._note_drained()

    def give_back(self, slots: Sequence[Slot]) -> None:
        """Queue started slots again, undone. When it is frozen then neither they nor later ones start any more:
        the position stays at the first of them, so that later ones would be repeated anyway."""
        if self.state == "dead" or not slots:
            return
        for slot in slots:
            slot.state = "queued"
            self.started -= 1
        self._highest = min(self._highest, min(slot.record.offset for slot in slots) - 1)
        self._note_drained()

    def stored(self, position: int) -> None:
        """The broker has stored this position. It never goes back during one ownership."""
        if self.state != "dead":
            self.committed = position if self.committed is None else max(self.committed, position)

    def freeze(self) -> None:
        """Begin to give it up: finish what has started, start nothing new."""
        if self.state == "live":
            # What was given back while it was live may have left `highest` above everything that has begun.
            begun = (slot.record.offset for slot in self._slots if slot.state != "queued")
            self._highest = min(self._highest, max(begun, default=-1))
            self.state = "frozen"
            self.stopped.set()
            self._note_drained()

    def thaw(self) -> None:
        """It stays ours after all: go on where it was frozen."""
        if self.state == "frozen":
            self.state = "live"
            self.stopped.clear()
            self.drained.clear()

    def kill(self) -> None:
        """It is somebody else's: commit nothing, start nothing, forget it all."""
        self.state = "dead"
        self.started = 0
        self._slots.clear()
        self.stopped.set()
        self.drained.set()

    def _may_start(self, slot: Slot) -> bool:
        if slot.state != "queued" or self.state == "dead":
            return False
        return self.state == "live" or slot.record.offset <= self._highest

    def _note_drained(self) -> None:
        if self.state == "frozen" and not self.started and not self.has_work:
            self.drained.set()
