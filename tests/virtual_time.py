"""An event loop whose clock jumps: a wait takes no time, and time passes only by waiting. So limits can be exact."""

import asyncio
import selectors


class _Jumping(selectors.DefaultSelector):
    """Where the loop would wait for a timer, the clock jumps to it. I/O that is ready goes first."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        """What is ready now; with nothing ready, the time of the next timer begins."""
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self):
        """Seconds since the loop was made, as its timers say."""
        return self._clock.now


def in_virtual_time(work):
    """Run a coroutine to its end on such a loop and return its result."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
