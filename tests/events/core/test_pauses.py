"""Topics that are left out for a while."""

from events.core.pauses import FIRST_S, MOST_S, REFUSALS, Pauses


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_few_refusals_in_a_row_begin_a_pause():
    pauses = Pauses(Clock())

    waits = [pauses.refused("quotes") for _ in range(REFUSALS)]

    assert waits[:-1] == [0.0] * (REFUSALS - 1)
    assert FIRST_S / 2 <= waits[-1] <= FIRST_S
    assert pauses.topics() == {"quotes"}


def test_a_success_in_between_prevents_it():
    pauses = Pauses(Clock())

    for _ in range(3 * REFUSALS):
        pauses.refused("quotes")
        pauses.acked("quotes")

    assert pauses.topics() == set()


def test_it_ends_and_the_next_one_is_longer_up_to_a_limit():
    clock = Clock()
    pauses = Pauses(clock)
    waits = []

    for _ in range(20):
        waits.append([pauses.refused("quotes") for _ in range(REFUSALS)][-1])
        clock.now += waits[-1]
        assert pauses.topics() == set()

    assert MOST_S / 2 <= waits[-1] <= MOST_S
    assert waits[5] > 4 * waits[0]


def test_topics_do_not_count_for_each_other():
    pauses = Pauses(Clock())

    for topic in "abc":
        pauses.refused(topic)

    assert pauses.topics() == set()
