"""`Pruning`: forgets old rows of the inbox, every hour, in one process of those that run subscribers.

Who runs subscribers writes the rows, so who runs subscribers prunes them; a database without a relay, or with many
workers, needs no care. The lease "prune" is taken for the whole hour and never released: a process that starts anew
every minute does not prune every minute.
"""

import asyncio
import logging
from datetime import timedelta

from django.db import Error
from django.utils import timezone

from events import inbox
from events.core.health import Part
from events.core.waiting import wait_at_most
from events.database import Thread, database_threads, described
from events.lease import new_owner, take

INTERVAL_S = 3600.0
"""Seconds between two prunings."""

CHUNK = 5000
"""The most rows of one transaction, or a few more."""

AGAIN_S = 60.0
"""Seconds until the next try when the database does not answer."""

log = logging.getLogger("events.inbox")


class Pruning:
    """Prunes until it is told to stop. `days`: how long a handled event is remembered. `works`: it has once."""

    def __init__(self, days: int) -> None:
        self._days, self._owner, self._stopping = days, new_owner(), asyncio.Event()
        self.works = asyncio.Event()

    def part(self, name: str) -> Part:
        """It runs: what it waits for is its hour."""
        return Part(name, "running", 0.0)

    def stop(self) -> None:
        """Ask `run` to return after the chunk it is at. Comes back at once."""
        self._stopping.set()

    async def run(self) -> None:
        """Prune every hour. Waits out an outage of the database."""
        while not self._stopping.is_set():
            try:
                # A thread, and so a connection, for the few seconds an hour that it is needed.
                async with database_threads(1, "prune") as threads, threads.borrowed() as thread:
                    await self._prune(thread)
            except Error as error:
                log.warning("The inbox is not pruned now, but in %.0f s: %s", AGAIN_S, described(error))
                await wait_at_most(self._stopping, AGAIN_S)
            else:
                self.works.set()
                await wait_at_most(self._stopping, INTERVAL_S)

    async def _prune(self, thread: Thread) -> None:
        if not await thread.run(take, "prune", self._owner, seconds=INTERVAL_S):
            return
        before = timezone.now() - timedelta(days=self._days)
        while not self._stopping.is_set() and await thread.run(inbox.prune, before, CHUNK) >= CHUNK:
            continue
