"""`lifespan.run()`: a run in a process without a server, such as a management command or a script."""

import asyncio
import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from lifespan.run import NotStarted, Resource, Run
from lifespan.signals import StopSignals, first_and_again


def run(*resources: Resource, startup_timeout: float = 25.0, shutdown_timeout: float = 20.0) -> int:
    """Hold `resources` open until a stop signal, `run.stop()` or `run.fail()`. Time limits are in seconds.

    Returns the exit code: 0, or 1 if anything went wrong. The first signal drains, a second Ctrl-C hurries. In a
    thread (an autoreloader's) no signal is heard: there `stop_runs()` stops it, or the end of the interpreter.
    """

    async def alone() -> int:
        over = _Over()
        run = Run(
            *resources,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
            ask_to_stop=over.ask,
        )
        with _hearing(run), _stopped_at_exit(run, shutdown_timeout), suppress(NotStarted):
            await run.start()
            await over.wait()
            await run.finish()
        return 1 if run.problems else 0

    with asyncio.Runner() as runner:
        return runner.run(alone())


def stop_runs() -> None:
    """Stop what `run` holds open in other threads, and wait until it is closed, within its time limit.

    For the end of a main thread under which an autoreloader runs. The end of the interpreter does it too, but by then
    no executor takes work any more: whatever closes by `asyncio.to_thread` fails.
    """
    for stop in list(_stops):
        stop()


_stops: list[Callable[[], None]] = []


class _Over(asyncio.Event):
    def ask(self) -> bool:
        self.set()
        return True


def _hearing(run: Run) -> StopSignals:
    hurry = partial(run.loop.call_soon_threadsafe, run.hurry)
    return StopSignals(first_and_again(run.stop, hurry), alone=True)


@contextmanager
def _stopped_at_exit(run: Run, shutdown_timeout: float) -> Iterator[None]:
    ended = threading.Event()

    def stop() -> None:
        run.stop()
        ended.wait(shutdown_timeout)

    atexit.register(stop)
    _stops.append(stop)
    try:
        yield
    finally:
        atexit.unregister(stop)
        _stops.remove(stop)
        ended.set()
