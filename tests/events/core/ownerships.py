"""`Ownership`: a hypothesis machine that takes a partition away and gives it back, for `Tracker`.

The generator is dense on purpose: one partition, a dozen offsets with gaps, no step that changes nothing, and much
freezing, thawing, killing and coming back. A sparse one missed nine of the bugs that are planted in
`test_tracker_properties.py`.

The invariants carry the numbers of the engine's list:
 1  no offset below the committed one is undone
 5  what is committed never goes down during one ownership, and a dead tracker commits nothing
 6  while it is frozen nothing starts above the highest started offset
 7  never more open slots than the span
 8  with the faults over, everything gets done, and the committed position is the end
 9  what finishes in a dead tracker changes nothing
10  gaps hold nothing back (they are everywhere, also at the end, and 8 counts them)
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events.core.broker import Partition, Record
from events.core.tracker import Tracker

SPAN, END = 4, 16
LOG = [0, 1, 2, 4, 5, 8, 9, 10, 11, 13]
few, some = st.integers(1, 3), st.integers(0, 3)


def frozen(machine):
    return machine.tracker.state == "frozen"


def running(machine):
    return machine.running


class Ownership(RuleBasedStateMachine):
    """Kafka's side (log, committed), the consumer's (position) and ours (tracker) of one partition.

    `tracker_class` and `deliver` are where bugs are planted.
    """

    tracker_class = Tracker

    def __init__(self):
        super().__init__()
        self.committed, self.done, self.dead, self.begun = 0, set(), [], None
        self.own()

    def own(self):
        """A new ownership begins, at the committed position."""
        self.tracker, self.position = self.tracker_class(Partition("quotes", 0)), self.committed
        self.running, self.ceiling, self.stored = [], None, -1
        self.done_here, self.given_back = set(), False

    def deliver(self, begun, records):
        """The fetch that began with one tracker has ended: its records belong to the tracker of now."""
        self.tracker.push(records)
        self.tracker.advance(self.position)

    # Fetching. What ends a fetch is what the consumer has then: of the ownership of then.

    @precondition(lambda self: not self.begun and self.tracker.room(SPAN))
    @rule()
    def begin_fetch(self):
        self.begun = self.tracker

    @precondition(lambda self: self.begun)
    @rule(at_most=few)
    def end_fetch(self, at_most):
        live, before = self.tracker.state == "live", (self.tracker.open, self.tracker.next)
        at_most = min(at_most, self.tracker.room(SPAN)) if live else at_most
        found = [offset for offset in LOG if offset >= self.position]
        self.position = [*found, END][min(at_most, len(found))]
        self.deliver(self.begun, [Record("quotes", 0, offset, None, b"") for offset in found[:at_most]])
        self.begun = None
        assert live or before == (self.tracker.open, self.tracker.next), "pushed into a frozen tracker"

    @precondition(lambda self: not self.begun and self.tracker.room(SPAN))
    @rule(at_most=few)
    def fetch(self, at_most):
        self.begin_fetch()
        self.end_fetch(at_most)

    # Working.

    @precondition(lambda self: self.tracker.has_work)
    @rule(at_most=few)
    def take(self, at_most):
        self.note_started(self.tracker.take(at_most))

    @precondition(lambda self: self.tracker._slots)
    @rule(chosen=some)
    def start_out_of_order(self, chosen):
        slot = self.tracker._slots[chosen % len(self.tracker._slots)]
        self.note_started([slot] if self.tracker.start(slot) else [])

    def note_started(self, slots):
        for slot in slots:
            assert slot not in self.running, "started twice"
            assert self.ceiling is None or slot.record.offset <= self.ceiling, "6: started above the highest"
            self.running.append(slot)

    @precondition(running)
    @rule(chosen=some)
    def finish(self, chosen):
        slot = self.running.pop(chosen % len(self.running))
        self.done.add(slot.record.offset)
        self.done_here.add(slot.record.offset)
        self.tracker.finish([slot])

    @precondition(running)
    @rule(chosen=some)
    def give_back(self, chosen):
        slot = self.running.pop(chosen % len(self.running))
        self.given_back = True
        self.tracker.give_back([slot])
        if self.ceiling is not None:
            self.ceiling = min(self.ceiling, slot.record.offset - 1)

    @rule(accepted=st.booleans())
    def commit(self, accepted=True):
        due = self.tracker.due
        assert due is None or due > self.stored, "5: goes down, or is said again"
        if due is not None and accepted:
            self.committed = self.stored = due
            self.tracker.stored(due)

    # Giving up.

    @precondition(lambda self: self.tracker.state == "live" and self.tracker.open)
    @rule()
    def freeze(self):
        started = [slot.record.offset for slot in self.running]
        self.ceiling = max([-1, *started, *self.done_here])
        self.tracker.freeze()

    @precondition(frozen)
    @rule()
    def thaw(self):
        self.tracker.thaw()
        self.ceiling = None
        self.position = self.committed if self.tracker.next is None else self.tracker.next

    @precondition(lambda self: frozen(self) and self.tracker.drained.is_set())
    @rule()
    def hand_over(self):
        repeated = {offset for offset in self.done_here if offset >= (self.tracker.low or 0)}
        assert self.given_back or not repeated, "a clean move repeats nothing"
        self.commit()
        self.lose()

    @precondition(lambda self: self.tracker.open)
    @rule()
    def lose(self):
        self.tracker.kill()
        self.dead.append((self.tracker, self.running))
        self.own()

    @precondition(lambda self: any(slots for _, slots in self.dead))
    @rule()
    def finish_in_a_dead_tracker(self):
        for tracker, slots in self.dead:
            self.done.update(slot.record.offset for slot in slots)
            tracker.finish(slots)
            slots.clear()

    # What always holds.

    @invariant()
    def nothing_is_lost(self):
        undone = [offset for offset in LOG if offset < self.committed and offset not in self.done]
        assert not undone, f"1: {undone} below {self.committed}"

    @invariant()
    def the_dead_commit_nothing(self):
        assert not [tracker for tracker, _ in self.dead if tracker.due is not None], "5, 9"

    @invariant()
    def no_more_is_open_than_the_span(self):
        assert self.tracker.open <= SPAN, "7"

    @invariant()
    def drained_means_that_nothing_runs(self):
        assert not (self.tracker.drained.is_set() and self.running), "drained, and something runs"

    def teardown(self):
        """The faults are over: everything gets done."""
        if frozen(self):
            self.thaw()
        for _ in range(2 * len(LOG)):
            self.begun = self.tracker
            self.end_fetch(3)
            self.note_started(self.tracker.take(3))
            while self.running:
                self.finish(0)
            self.commit()
        self.nothing_is_lost()
        assert self.committed == END, "8, 10: not everything got done"
