"""`Pauses`: topics of which nothing goes any more, left out for a while.

A refused record holds back its key only. But a topic that does not exist refuses each of its records, one by one, at
the price of a new producer each: ten thousand of them would slow down all other topics. So after a few refusals in a
row without one success in between, the topic is left out; when its pause is over, a few are tried again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from events.core.retry import BackOff

REFUSALS = 3
"""So many in a row begin a pause."""

FIRST_S, MOST_S = 1.0, 60.0
"""How long a pause is: the first one, and at most."""


@dataclass(slots=True)
class _Topic:
    refusals: int = 0
    until: float = 0.0
    back_off: BackOff = field(default_factory=lambda: BackOff(FIRST_S, MOST_S))


class Pauses:
    """Which topics are left out right now. `clock` is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._topics: dict[str, _Topic] = {}

    def acked(self, topic: str) -> None:
        """Kafka took a record of this topic."""
        self._topics.pop(topic, None)

    def refused(self, topic: str) -> float:
        """Kafka refused one. Returns the seconds of the pause that begins now, 0 if none does."""
        one = self._topics.setdefault(topic, _Topic())
        one.refusals += 1
        if one.refusals < REFUSALS:
            return 0.0
        one.refusals, seconds = 0, one.back_off.next()
        one.until = self._clock() + seconds
        return seconds

    def topics(self) -> set[str]:
        """The topics that are left out now."""
        now = self._clock()
        return {name for name, one in self._topics.items() if one.until > now}
