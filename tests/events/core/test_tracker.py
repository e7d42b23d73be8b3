"""How far a partition is done: the rules at the head of `tracker.py`, one by one."""

import pytest

from events.core.broker import Partition, Record
from events.core.tracker import Tracker

QUOTES = Partition("quotes", 0)


def records(*offsets):
    return [Record("quotes", 0, offset, None, b"") for offset in offsets]


@pytest.fixture
def tracker():
    return Tracker(QUOTES)


def offsets(slots):
    return [slot.record.offset for slot in slots]


def test_nothing_is_known_before_the_first_record(tracker):
    assert (tracker.low, tracker.next, tracker.due) == (None, None, None)


def test_the_position_is_the_first_open_offset(tracker):
    tracker.push(records(4, 5, 6))
    first, second = tracker.take(2)

    tracker.finish([second])

    assert tracker.low == 4

    tracker.finish([first])

    assert tracker.low == 6


def test_with_nothing_open_the_position_is_the_next_offset(tracker):
    tracker.push(records(4, 5))

    tracker.finish(tracker.take(2))

    assert tracker.low == tracker.next == 6


def test_gaps_do_not_hold_it_back(tracker):
    tracker.push(records(4, 9, 17))

    tracker.finish(tracker.take(3))

    assert tracker.low == 18


def test_gaps_at_the_end_are_known_from_the_consumer(tracker):
    tracker.push(records(4))
    tracker.finish(tracker.take(1))

    tracker.advance(9)
    tracker.advance(7)
    tracker.advance(None)

    assert tracker.low == 9


def test_gaps_at_the_end_do_not_pass_an_open_record(tracker):
    tracker.push(records(4))

    tracker.advance(9)

    assert tracker.low == 4


def test_a_position_without_any_record_is_worth_a_commit(tracker):
    tracker.advance(9)

    assert tracker.due == 9


def test_what_is_stored_is_not_due_again(tracker):
    tracker.push(records(4))
    tracker.finish(tracker.take(1))

    tracker.stored(5)

    assert tracker.due is None


def test_what_is_stored_never_goes_back(tracker):
    tracker.stored(5)

    tracker.stored(3)

    assert tracker.committed == 5


def test_take_hands_out_in_order_and_each_slot_once(tracker):
    tracker.push(records(4, 5, 6))

    assert offsets(tracker.take(2)) == [4, 5]
    assert offsets(tracker.take(2)) == [6]
    assert tracker.take(2) == []


def test_what_is_given_back_comes_first_again(tracker):
    tracker.push(records(4, 5))
    slots = tracker.take(1)

    tracker.give_back(slots)

    assert offsets(tracker.take(2)) == [4, 5]


def test_nothing_given_back_changes_nothing(tracker):
    tracker.push(records(4, 5))
    tracker.take(1)

    tracker.give_back([])

    assert offsets(tracker.take(2)) == [5]


def test_slots_start_in_any_order_but_only_once(tracker):
    first, second = tracker.push(records(4, 5))

    assert tracker.start(second)
    assert not tracker.start(second)
    assert tracker.start(first)


def test_closed_slots_behind_an_open_one_take_room(tracker):
    tracker.push(records(4, 5, 6))
    tracker.finish(tracker.take(3)[1:])

    assert tracker.room(10) == 7
    assert tracker.open == 3


def test_there_is_no_room_below_nothing(tracker):
    tracker.push(records(4, 5, 6))

    assert tracker.room(2) == 0


def test_an_empty_push_changes_nothing(tracker):
    assert tracker.push([]) == []
    assert tracker.next is None


def test_frozen_it_starts_nothing_above_the_highest_started(tracker):
    tracker.push(records(4, 5, 6))
    tracker.take(1)

    tracker.freeze()

    assert tracker.take(5) == []
    assert not tracker.has_work
    assert tracker.room(1000) == 0


def test_frozen_it_starts_what_lies_below_the_highest_started(tracker):
    low, high, above = tracker.push(records(4, 5, 6))
    tracker.start(high)

    tracker.freeze()
    tracker.finish([high])

    assert not tracker.drained.is_set()
    assert tracker.take(5) == [low]
    assert above.state == "queued"

    tracker.finish([low])

    assert tracker.drained.is_set()
    assert tracker.low == 6


def test_frozen_it_is_drained_when_what_runs_has_finished(tracker):
    tracker.push(records(4, 5, 6))
    slots = tracker.take(1)
    tracker.freeze()

    assert tracker.stopped.is_set()
    assert not tracker.drained.is_set()

    tracker.finish(slots)

    assert tracker.drained.is_set()
    assert tracker.due == 5


def test_frozen_with_nothing_started_it_is_drained_at_once(tracker):
    tracker.push(records(4))

    tracker.freeze()

    assert tracker.drained.is_set()
    assert tracker.low == 4


def test_frozen_it_does_not_wait_for_what_was_given_back(tracker):
    tracker.push(records(4, 5, 6))
    first, second, third = tracker.take(3)
    tracker.freeze()

    tracker.finish([second])
    tracker.give_back([third, first])

    assert tracker.drained.is_set()
    assert not tracker.has_work
    assert tracker.low == 4


def test_frozen_it_drops_what_is_pushed(tracker):
    tracker.push(records(4))
    tracker.freeze()

    assert tracker.push(records(5)) == []
    tracker.advance(6)

    assert tracker.next == 5
    assert tracker.open == 1


def test_thawed_it_goes_on_where_it_was(tracker):
    tracker.push(records(4, 5))
    tracker.take(1)
    tracker.freeze()

    tracker.thaw()

    assert not tracker.stopped.is_set()
    assert not tracker.drained.is_set()
    assert offsets(tracker.take(5)) == [5]
    assert tracker.next == 6


def test_dead_it_commits_starts_and_takes_nothing(tracker):
    (slot,) = tracker.push(records(4))

    tracker.kill()

    assert tracker.due is None
    assert not tracker.start(slot)
    assert tracker.push(records(5)) == []
    assert tracker.room(1000) == 0
    assert tracker.stopped.is_set()
    assert tracker.drained.is_set()


def test_dead_whatever_finishes_changes_nothing(tracker):
    tracker.push(records(4, 5))
    first, second = tracker.take(2)
    tracker.kill()

    tracker.finish([first])
    tracker.give_back([second])
    tracker.stored(9)

    assert (first.state, second.state, tracker.committed, tracker.started) == ("started", "started", None, 0)


def test_dead_it_stays_dead(tracker):
    tracker.kill()

    tracker.freeze()
    tracker.thaw()

    assert tracker.state == "dead"


def test_what_was_given_back_before_it_froze_lets_nothing_below_it_start(tracker):
    slots = tracker.push(records(4, 5, 6))
    tracker.start(slots[2])
    tracker.give_back([slots[2]])

    tracker.freeze()

    assert tracker.take(3) == []
    assert tracker.drained.is_set()
