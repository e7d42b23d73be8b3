"""Interleaved rounds: every contestant once a round, in a shuffled order, and medians of the ratios inside a round.

On a machine that others use too, absolute figures move by a factor of two; two figures of one round move together.
So a ratio is taken inside each round, and the table shows the median of those.
"""

import random
import statistics


def interleaved(contestants, rounds, seed=None):
    """Yield (number of the round, contestant), each round in an order of its own."""
    order = random.Random(seed)
    for number in range(1, rounds + 1):
        shuffled = [*contestants]
        order.shuffle(shuffled)
        for contestant in shuffled:
            yield number, contestant


def median_ratio(figures, base):
    """Return the median of figures[i] / base[i]; both are lists with one figure a round. None without a round."""
    ratios = ratios_of(figures, base)
    return statistics.median(ratios) if ratios else None


def ratios_of(figures, base):
    """Return figures[i] / base[i] of the rounds that both have."""
    return [one / other for one, other in zip(figures, base, strict=False) if other]
