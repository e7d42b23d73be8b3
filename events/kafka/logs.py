"""`calm_logs`: what aiokafka's loggers may say, and how often.

In an outage it logs 60 errors a second: one in five seconds passes, with a count. At level DEBUG it logs every request,
and the one that logs in holds the password: of that only the name passes.
"""

import logging
import time
from collections.abc import Callable

from aiokafka.protocol.admin import SaslAuthenticateRequest

PAUSE_S = 5.0
_MOST_KINDS = 500
_SASL_AUTHENTICATE = SaslAuthenticateRequest.API_KEY


class RateLimit(logging.Filter):
    """Lets one warning of each kind through in `pause_s` seconds, with the number of those held back.

    A kind is a logger, a level and a message before its arguments are put in. `clock` gives seconds.
    """

    def __init__(self, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._pause_s, self._clock = pause_s, clock
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass; its text is changed when others were held back before it."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = (record.name, record.levelno, str(record.msg)), self._clock()
        next_at, held = self._kinds.get(kind, (now, 0))
        if now < next_at:
            self._kinds[kind] = (next_at, held + 1)
            return False
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now + self._pause_s, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} [and {held} more like it]", None
        return True


class NoLogIn(logging.Filter):
    """Puts the name of a request that logs in, and of its answer, in the place of what it holds."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record's arguments are changed."""
        if record.levelno <= logging.DEBUG and isinstance(record.args, tuple):
            record.args = tuple(_without_log_in(one) for one in record.args)
        return True


def _without_log_in(argument: object) -> object:
    return type(argument).__name__ if getattr(argument, "API_KEY", None) == _SASL_AUTHENTICATE else argument


_FILTERS = (RateLimit(), NoLogIn())


def calm_logs() -> None:
    """Put the filters on aiokafka's loggers. A filter does not reach the loggers below, so each gets it. Idempotent."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("aiokafka"):
            for one in _FILTERS:
                logging.getLogger(name).addFilter(one)
