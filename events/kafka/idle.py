"""`Idle`: partitions that cannot be read just now. They stand still and say so loudly; the others go on and commit.

Each comes back by itself after a pause: what was mended meanwhile is read without a restart, and what is still broken
is found again, put aside again and said again. A new assignment starts with none.
"""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from events.kafka import private

log = logging.getLogger(__name__)

LONG_S = 60.0
"""The pause of a partition that only a person can mend, and how often the same is said of one."""


class Idle:
    """The idle partitions of one aiokafka consumer. `clock` gives seconds."""

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._assignment: Any = None
        self._until: dict[Any, float] = {}
        self._said: dict[Any, tuple[str, float]] = {}

    def put(self, partition: Any, why: str, *, pause_s: float = LONG_S) -> None:
        """Leave a partition of ours out for so long. `why`: one ERROR line, with what to do."""
        self._forget_others()
        self._client.pause(partition)
        self._until[partition] = self._clock() + pause_s
        text, again_at = self._said.get(partition, ("", 0.0))
        if why != text or self._clock() >= again_at:
            self._said[partition] = (why, self._clock() + LONG_S)
            log.error(why)

    def without(self, wanted: Collection[Any]) -> list[Any]:
        """Those of `wanted` that are to be read now. Ends the pauses that are over."""
        self._forget_others()
        for partition in [one for one, until in self._until.items() if until <= self._clock()]:
            del self._until[partition]
            self._client.resume(partition)
        return [one for one in wanted if one not in self._until]

    def _forget_others(self) -> None:
        """aiokafka forgets its pauses with the assignment; so do we."""
        if (assignment := private.assignment(self._client)) is not self._assignment:
            self._assignment = assignment
            self._until.clear()
