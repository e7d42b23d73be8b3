"""What the tests of `lifespan` share: the signal handlers of a server, those of none, and lent threads."""

import signal

import pytest

from lifespan.lending import Hooks, ThreadPool
from lifespan.signals import STOP_SIGNALS
from lifespan.threads import RequestThreads
from tests.waiting import until, until_sync


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


@pytest.fixture
async def lent():
    """Wraps an application in `RequestThreads`, whose threads have ended when the test ends."""
    made = []

    def wrap(app, **options):
        made.append(RequestThreads(app, **options))
        return made[-1]

    yield wrap
    for one in made:
        await one.close()
        await until(lambda one=one: not one._pool.threads)


@pytest.fixture
def pools():
    """Makes pools of threads, which have ended when the test ends."""
    made = []

    def pool(size=1, **hooks):
        made.append(ThreadPool(size, Hooks(**hooks)))
        return made[-1]

    yield pool
    for one in made:
        one.end_threads()
        until_sync(lambda one=one: not one.threads)
