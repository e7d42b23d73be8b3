"""`Commits`: when positions are stored, and that only one commit runs at a time.

A commit may block for a minute while the brokers are away, so the fetch loop never waits for one. Refused or too late:
nothing is noted, and either the next commit says the same again or the next assignment starts from Kafka's truth.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress

from events.core.broker import Consumer, Partition
from events.core.errors import BrokerError
from events.core.tracker import Tracker

LIMIT_S = 5.0
"""Seconds to wait for the commit under way and then to store. Without a limit the client blocked for 68 s."""


class Commits:
    """Stores the positions of these trackers. `trackers` is the engine's own mapping, seen as it is now."""

    def __init__(self, consumer: Consumer, trackers: Mapping[Partition, Tracker]) -> None:
        self._consumer, self._trackers = consumer, trackers
        self._one_at_a_time = asyncio.Lock()

    async def every(self, interval_s: float) -> None:
        """Store what is due at this interval, for ever."""
        while True:
            await asyncio.sleep(interval_s)
            await self.now()

    async def now(self) -> None:
        """Store what is due, within the limit. After it, and until the caller waits for something, no commit runs."""
        with suppress(TimeoutError, BrokerError):
            async with asyncio.timeout(LIMIT_S), self._one_at_a_time:
                await self._store([(one, low) for one in self._trackers.values() if (low := one.due) is not None])

    async def _store(self, due: Collection[tuple[Tracker, int]]) -> None:
        if due and await self._consumer.commit({tracker.partition: low for tracker, low in due}):
            for tracker, low in due:
                tracker.stored(low)
