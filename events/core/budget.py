"""`LoopBudget`: how long the engine may hold the event loop before others get their turn.

The loop is shared with Django. A client that has buffered records never suspends, and neither does a handle that never
waits; without a budget one poll of 75,000 records held the loop for 3.3 s. All lanes and the fetch loop share the
2 ms of one turn of the loop, however many they are.
"""

import asyncio
import time

TURN_S = 0.002


class LoopBudget:
    """The time of this turn of the event loop. Ask it after each small piece of work."""

    def __init__(self, turn_s: float = TURN_S) -> None:
        self._turn_s = turn_s
        self._until: float | None = None

    async def spend(self) -> None:
        """Come back at once while the turn has time left, else in the next turn."""
        now = time.perf_counter()
        if self._until is None:
            self._until = now + self._turn_s
            # Scheduled before anybody who yields in this turn, so it runs before them in the next one.
            asyncio.get_running_loop().call_soon(self._begin)
        elif now >= self._until:
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._until = None
