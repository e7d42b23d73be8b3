"""Rounds: everyone once in each, and ratios taken inside them."""

from benchmarks.rounds import interleaved, median_ratio, ratios_of


def test_each_round_has_everyone_once_in_an_order_of_its_own():
    ran = list(interleaved("abcdef", 20, seed=1))

    orders = {tuple(one for number, one in ran if number == wanted) for wanted in range(1, 21)}

    assert len(ran) == 120
    assert all(sorted(order) == [*"abcdef"] for order in orders)
    assert len(orders) > 10


def test_a_ratio_is_taken_inside_each_round():
    assert median_ratio([10, 400, 90], [5, 100, 30]) == 3
    assert ratios_of([10, 400], [5, 100]) == [2, 4]


def test_without_a_base_there_is_no_ratio():
    assert median_ratio([10], []) is None
