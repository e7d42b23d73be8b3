"""`lifespan.run()`: a run in a process without a server, such as a management command or a script."""

import asyncio
from contextlib import suppress

from lifespan.run import NotStarted, Resource, Run


def run(*resources: Resource, startup_timeout: float = 25.0, shutdown_timeout: float = 20.0) -> int:
    """Hold `resources` open until a stop signal, `run.stop()` or `run.fail()`. Time limits are in seconds.

    Returns the exit code: 0, or 1 if anything went wrong. The first signal drains, a later one hurries. In a
    thread (an autoreloader's) no signal is heard: there `stop_runs()` stops it, or the end of the interpreter.
    """

    async def alone() -> int:
        run = Run(*resources, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout, alone=True)
        with suppress(NotStarted):
            await run.start()
            await run.draining.wait()
            await run.finish()
        return 1 if run.problems else 0

    try:
        return asyncio.run(alone())
    except RuntimeError as exc:  # asyncio joins its executor by a thread, and at its end Python 3.12 makes none
        if "at interpreter shutdown" not in str(exc):
            raise
        return 1
