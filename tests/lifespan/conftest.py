"""What the tests of `lifespan` share: the signal handlers of a server, and those of none."""

import signal

import pytest

from lifespan.signals import STOP_SIGNALS


@pytest.fixture(autouse=True)
def _handlers_set_back():
    before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture
def nobody_serves():
    """Nobody here handles SIGTERM, so that a run which fails has nobody to ask."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def server():
    """The handler of a server for SIGTERM; gives the list of the signals that it got."""
    got = []
    signal.signal(signal.SIGTERM, lambda signum, frame: got.append(signum))
    return got
