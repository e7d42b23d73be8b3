"""When to try again, and when never: `RetryPolicy` for a record, `BackOff` for a loop that waits for something.

Both spread their delays by a random part (jitter), so that many who failed together do not come back together.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

type Random = Callable[[], float]
"""A number from 0 up to 1, like `random.random`."""

_MANY_DOUBLINGS = 64  # 2 ** 1000 is no float


def delay_of(step: int, *, first_s: float, most_s: float, chance: Random) -> float:
    """Seconds to wait at a step from 0: `first_s` doubled at each, `most_s` at most, less up to half of it."""
    ceiling = min(most_s, first_s * 2.0 ** min(step, _MANY_DOUBLINGS))
    return ceiling * (1 - chance() / 2)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failing record is handled, and how long it waits in between.

    `attempts`: the most in all, the first one included. `delay_s`: after the first; doubled each time up to
    `max_delay_s`. `chance` gives the jitter; tests inject their own.
    """

    attempts: int = 5
    delay_s: float = 0.5
    max_delay_s: float = 30.0
    chance: Random = field(default=random.random, repr=False, compare=False)

    def delay_after(self, attempt: int) -> float | None:
        """Seconds from the failed attempt of this number (from 1) to the next one; None: never again."""
        if attempt >= self.attempts:
            return None
        return delay_of(attempt - 1, first_s=self.delay_s, most_s=self.max_delay_s, chance=self.chance)


@dataclass(slots=True)
class BackOff:
    """Delays that double from one failure to the next, until a success resets them."""

    first_s: float
    most_s: float
    chance: Random = field(default=random.random, repr=False)
    step: int = 0

    def next(self) -> float:
        """Seconds to wait now."""
        delay = delay_of(self.step, first_s=self.first_s, most_s=self.most_s, chance=self.chance)
        self.step += 1
        return delay

    def reset(self) -> None:
        """Start again at `first_s`: it works."""
        self.step = 0
