"""The stop signals of this process: heard while a run is up, and set back at its end.

A server may wait for ever for an open event stream before it sends `lifespan.shutdown`, so a run listens to the
signal itself. The server's own handler is called next: what the server does at a stop does not change.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
ONE_WISH = 1.0  # seconds; `timeout` and process managers send a signal to the process and again to its group


class StopSignals:
    """Calls `heard(again)` for stop signals while it is entered; in the main thread only, elsewhere never.

    Handlers that were there are called next, and what nobody handles stays so. With `alone` all signals that are
    not ignored are taken, and nobody else is called. `again` is true for a second wish: a later Ctrl-C, or when alone
    any later signal. Beside a server a second SIGTERM is no wish: a parent sends it after its process manager has.
    """

    adopted = False
    """Whether this is a worker process that SIGTERM would have killed, and now does not.

    So it is in hypercorn's workers. Their parent sends SIGTERM to all of them once one has left, in the middle
    of requests. Who takes it there must also end the process.
    """

    def __init__(self, heard: Callable[[bool], object], *, alone: bool = False) -> None:
        self._heard = heard
        self._alone = alone
        self._next: dict[int, Any] = {}
        self._first_at: float | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            unhandled = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            self.adopted = unhandled and not self._alone and multiprocessing.parent_process() is not None
            for signum in filter(self._takes, STOP_SIGNALS):
                self._next[signum] = signal.getsignal(signum)
                self._take(signum)
        return self

    def __exit__(self, *raised: object) -> None:
        for signum, handler in self._next.items():
            if self._alone:
                asyncio.get_running_loop().remove_signal_handler(signum)
                signal.signal(signum, handler)
            elif signal.getsignal(signum) == self._hear:  # else somebody took it after us, and it is theirs
                signal.signal(signum, handler)

    def ask_to_stop(self) -> bool:
        """Send SIGTERM to whoever drains this process: itself, or a worker's parent. False where nobody would.

        Measured: of all ways to stop from inside, only this one lets uvicorn, hypercorn, granian and gunicorn
        finish their requests. A handler that raises KeyboardInterrupt does not drain, so it is not asked.
        """
        handler = self._next.get(signal.SIGTERM)
        if self.adopted:
            os.kill(os.getppid(), signal.SIGTERM)
        elif callable(handler) and handler is not signal.default_int_handler:
            signal.raise_signal(signal.SIGTERM)
        else:
            return False
        return True

    def _takes(self, signum: int) -> bool:
        handler = signal.getsignal(signum)
        if self._alone:
            return handler is not signal.SIG_IGN
        return callable(handler) or (signum == signal.SIGTERM and self.adopted)

    def _take(self, signum: int) -> None:
        if self._alone:  # by the loop, which a signal wakes so; a server wakes its own, or looks several times a second
            asyncio.get_running_loop().add_signal_handler(signum, self._hear, signum, None)
        else:
            signal.signal(signum, self._hear)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        self._first_at = self._first_at or time.monotonic()
        later = time.monotonic() - self._first_at >= ONE_WISH
        with suppress(RuntimeError):  # the loop is closed: somebody chained to us and has kept the reference
            self._heard(later and (self._alone or signum == signal.SIGINT))
        if not self._alone and callable(handler := self._next[signum]):
            handler(signum, frame)
