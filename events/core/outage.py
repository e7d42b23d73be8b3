"""`OutageLog`: an outage is two lines in the log, when it begins and when it ends, and not one for each try."""

import logging
import time
from collections.abc import Callable


class OutageLog:
    """Whether something is out right now. `who`: the subject of the log lines.

    `why` it is out; empty when it is not. `since`: when the last one began or ended, on `clock`'s scale, in seconds.
    """

    def __init__(self, log: logging.Logger, who: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.why = ""
        self.since = 0.0
        self._log, self._who, self._clock = log, who, clock

    def goes_on(self, why: str) -> None:
        """Another try failed. `why` becomes one line, whatever the database's errors look like."""
        why = " ".join(why.split())
        if not self.why:
            self.since = self._clock()
            self._log.warning("%s waits, and goes on by itself: %s", self._who, why)
        self.why = why

    def ends(self) -> None:
        """A try succeeded."""
        if self.why:
            now = self._clock()
            self._log.warning("%s goes on after %.1f s.", self._who, now - self.since)
            self.since = now
        self.why = ""
