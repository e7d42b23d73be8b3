"""Thousands of random histories of a partition, and the proof that they would find a bug."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from events.core.tracker import Tracker
from tests.events.core.ownerships import Ownership

HUNT = settings(
    max_examples=200,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def test_no_history_breaks_the_rules():
    run_state_machine_as_test(Ownership, settings=settings(HUNT, derandomize=False))


class CommitsNext(Tracker):
    @property
    def low(self):
        return self.next


class PopsTheHeadThoughUndone(Tracker):
    def finish(self, slots):
        if self.state == "dead":
            return
        for slot in slots:
            slot.state = "closed"
            self.started -= 1
            self._slots.popleft()
        self._note_drained()


class CommitsWhenDead(Tracker):
    @property
    def due(self):
        return None if self.low is None or (self.committed or -1) >= self.low else self.low


class TakesPushesWhenFrozen(Tracker):
    def push(self, records):
        state, self.state = self.state, "live"
        try:
            return super().push(records)
        finally:
            self.state = state


class PassesWhatItDropped(Tracker):
    def advance(self, position):
        state, self.state = self.state, "live"
        super().advance(position)
        self.state = state


class DropsTheQueueWhenFrozen(Tracker):
    def freeze(self):
        started = [slot for slot in self._slots if slot.state != "queued"]
        self._slots.clear()
        self._slots.extend(started)
        super().freeze()


class StartsAnythingWhenFrozen(Tracker):
    def _may_start(self, slot):
        return slot.state == "queued" and self.state != "dead"


class IsDrainedTooSoon(Tracker):
    def freeze(self):
        super().freeze()
        self.drained.set()


class StaysDrainedAfterAThaw(Tracker):
    def thaw(self):
        super().thaw()
        self.drained.set()


class ForgetsWhatWasGivenBack(Tracker):
    def give_back(self, slots):
        self.started -= len(slots)


class ClosesWhatWasGivenBack(Tracker):
    give_back = Tracker.finish


class GoesBack(Tracker):
    def stored(self, position):
        self.committed = None


class TakesMoreThanItsRoom(Tracker):
    def room(self, span):
        return super().room(span + 1)


class WaitsForGaps(Tracker):
    def advance(self, position):
        """Knows only records."""

    def push(self, records):
        slots = super().push(records)
        if slots:
            self.next = records[-1].offset + 1
        return slots


@pytest.mark.parametrize(
    "bug",
    [
        CommitsNext,
        PopsTheHeadThoughUndone,
        CommitsWhenDead,
        TakesPushesWhenFrozen,
        PassesWhatItDropped,
        DropsTheQueueWhenFrozen,
        StartsAnythingWhenFrozen,
        IsDrainedTooSoon,
        StaysDrainedAfterAThaw,
        ForgetsWhatWasGivenBack,
        ClosesWhatWasGivenBack,
        GoesBack,
        TakesMoreThanItsRoom,
        WaitsForGaps,
    ],
)
def test_a_planted_bug_is_found(bug):
    class Planted(Ownership):
        tracker_class = bug

    with pytest.raises((AssertionError, IndexError)):
        run_state_machine_as_test(Planted, settings=HUNT)


def test_a_batch_dropped_because_the_ownership_changed_during_the_fetch_is_found():
    class ComparesEpochs(Ownership):
        def deliver(self, begun, records):
            if begun is self.tracker:
                super().deliver(begun, records)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(ComparesEpochs, settings=HUNT)
