"""A nudge: whoever wrote into the outbox tells those in this process who wait for it. A hint, never a promise.

The relay polls anyway; the nudge saves it the wait. It may come from any thread, so a listener must stand that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []


@contextmanager
def listening(listener: Callable[[], None]) -> Iterator[None]:
    """While the block runs, `nudge` calls the listener, in the thread of the one who nudges."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def nudge() -> None:
    """Tell every listener that there is something new."""
    for listener in tuple(_listeners):
        listener()
