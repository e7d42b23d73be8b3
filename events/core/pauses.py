"""`Pauses`: topics of which nothing goes any more, left out for a while.

A refused record holds back its key only. But where each record of a topic is refused, one by one, at the price of a
new producer each, ten thousand of them would slow down all other topics. So after a few refusals in a row without one
success in between, the topic is left out; when its pause is over, a few are tried again. A topic that does not exist
is left out at once.
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
    until: float | None = None
    back_off: BackOff = field(default_factory=lambda: BackOff(FIRST_S, MOST_S))


class Pauses:
    """Which topics are left out right now. `clock` is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._topics: dict[str, _Topic] = {}

    def acked(self, topic: str) -> bool:
        """Kafka took a record of this topic. Returns whether that ends its pauses."""
        one = self._topics.pop(topic, None)
        return one is not None and one.until is not None

    def refused(self, topic: str) -> bool:
        """Kafka refused a record. Returns whether that begins the first pause of the topic."""
        one = self._topics.setdefault(topic, _Topic())
        one.refusals += 1
        return one.refusals >= REFUSALS and self.pause(topic)

    def pause(self, topic: str, most_s: float = MOST_S) -> bool:
        """Leave the topic out for a while, `most_s` seconds at most. Returns whether this is the first time."""
        one = self._topics.setdefault(topic, _Topic())
        first, one.refusals = one.until is None, 0
        one.until = self._clock() + min(one.back_off.next(), most_s)
        return first

    def topics(self) -> set[str]:
        """The topics that are left out now."""
        now = self._clock()
        return {name for name, one in self._topics.items() if one.until is not None and one.until > now}
