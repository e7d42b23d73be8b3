"""`Watch`: names in the log the threads that are stuck, and what keeps them all from who waits.

A call that has run for longer than `stuck_after` seconds is named once, with where its thread stands; so is a line in
which the first has waited that long, once until nobody waits. It looks from a thread of its own: a blocked event
loop must not keep it from telling.
"""

import logging
import sys
import threading
import time
import traceback

from lifespan.lending import LentThread, ThreadPool

log = logging.getLogger("lifespan.threads")

LOOKS = 4
"""How often it looks in `stuck_after` seconds."""


class Watch:
    """Looks at a pool until `stop`. `stuck_after`: seconds."""

    def __init__(self, pool: ThreadPool, stuck_after: float) -> None:
        self._pool = pool
        self._stuck_after = stuck_after
        self._told: dict[LentThread, float] = {}
        self._told_of_the_line = False
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="request-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._stuck_after / LOOKS):
            now = time.monotonic()
            for thread in list(self._pool.threads):
                self._look_at(thread, now)
            self._look_at_the_line(now)

    def _look_at(self, thread: LentThread, now: float) -> None:
        since = thread.busy_since
        if since is None or now - since < self._stuck_after or self._told.get(thread) == since:
            return
        self._told[thread] = since
        log.warning(
            "%s has worked on %s for %.1f s and is stuck at:\n%s",
            thread.name,
            thread.purpose,
            now - since,
            _where(thread),
        )

    def _look_at_the_line(self, now: float) -> None:
        with self._pool.lock:
            waiting = [one.waits_since for one in self._pool.line if one.wants_a_thread()]
            purposes = [thread.purpose for thread in self._pool.threads]
        if not waiting or now - waiting[0] < self._stuck_after:
            self._told_of_the_line = self._told_of_the_line and bool(waiting)
        elif not self._told_of_the_line:
            self._told_of_the_line = True
            log.warning(
                "%d calls have waited for a thread, the first for %.1f s: all %d are lent, to %s",
                len(waiting),
                now - waiting[0],
                len(purposes),
                ", ".join(purposes),
            )


def _where(thread: LentThread) -> str:
    frame = sys._current_frames().get(thread.ident)
    return "".join(traceback.format_stack(frame)).rstrip() if frame else "(it has ended)"
