"""The lifespan of the application that `Lifespan` wraps, as the last resource of the run: FastAPI has one, Django none.

Whether it has one is told by the protocol: it answers `startup.complete`, or it raises (as Django does) or returns.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lifespan.asgi import ASGIApp
from lifespan.driver import Driver
from lifespan.run import Run

log = logging.getLogger("lifespan")

INSIDE = "lifespan.inside"
"""What is in the scope of a lifespan that a `Lifespan` tells: one that hears it is not the outermost."""


@asynccontextmanager
async def application(run: Run, *, app: ASGIApp, state: dict[str, Any] | None) -> AsyncIterator[dict[str, Any] | None]:
    """Hold the lifespan of `app` open, and yield what it puts into `state`, which is None where the server has none.

    An app that crashes between startup and shutdown fails the run. Raises what it answers or raises at its shutdown.
    """
    driver = Driver(app, state=state)
    driver.scope[INSIDE] = True
    async with driver as inner:
        if await inner.startup():
            inner.task.add_done_callback(lambda task: _fail(run, inner.error))
        else:
            level = logging.WARNING if inner.asked else logging.DEBUG
            log.log(level, "the application inside starts without a lifespan of its own", exc_info=inner.error)
        yield state


def _fail(run: Run, error: BaseException | None) -> None:
    if error and run.stage == "up":
        run.fail(error)
