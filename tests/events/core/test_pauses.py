"""Topics that are left out for a while."""

import pytest

from events.core.pauses import FIRST_S, MOST_S, REFUSALS, Pauses


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pauses(clock):
    return Pauses(clock)


def length(pauses, clock):
    """Seconds until the pause is over, and move the clock there."""
    seconds = 0.0
    while pauses.topics():
        clock.now += 0.125
        seconds += 0.125
    return seconds


def test_a_few_refusals_in_a_row_begin_a_pause(pauses, clock):
    begins = [pauses.refused("quotes") for _ in range(REFUSALS)]

    assert begins == [False] * (REFUSALS - 1) + [True]
    assert pauses.topics() == {"quotes"}
    assert FIRST_S / 2 <= length(pauses, clock) <= FIRST_S + 0.125


def test_a_success_in_between_prevents_it(pauses):
    for _ in range(3 * REFUSALS):
        pauses.refused("quotes")
        assert not pauses.acked("quotes")

    assert pauses.topics() == set()


def test_it_ends_and_the_next_one_is_longer_up_to_a_limit(pauses, clock):
    waits = []

    for _ in range(20):
        begins = [pauses.refused("quotes") for _ in range(REFUSALS)]
        assert any(begins) == (not waits)
        waits.append(length(pauses, clock))

    assert MOST_S / 2 <= waits[-1] <= MOST_S + 0.125
    assert waits[5] > 4 * waits[0]


def test_a_topic_can_be_left_out_at_once_and_for_less(pauses, clock):
    begins, waits = [], []

    for _ in range(10):
        begins.append(pauses.pause("quotes", 3.0))
        waits.append(length(pauses, clock))

    assert begins == [True] + [False] * 9
    assert max(waits) <= 3.125


def test_the_first_success_ends_it_once(pauses):
    pauses.pause("quotes")

    assert [pauses.acked("quotes"), pauses.acked("quotes")] == [True, False]
    assert pauses.topics() == set()


def test_topics_do_not_count_for_each_other(pauses):
    for topic in "abc":
        pauses.refused(topic)

    assert pauses.topics() == set()
