"""`running()`: the lifespan of an ASGI application in a test, where no server drives it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lifespan.asgi import ASGIApp
from lifespan.driver import lifespan_of
from lifespan.run import NotStarted


@asynccontextmanager
async def running(application: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start `application`, give its lifespan state, and shut it down; for AsyncClient and httpx.ASGITransport.

        async with running(application) as state:
            response = await AsyncClient().get("/")

    Raises `NotStarted` when it does not start, RuntimeError when its shutdown fails, and what it raises at that.
    """
    state: dict[str, Any] = {}
    async with lifespan_of(application, state=state) as task:
        if task is None:
            raise NotStarted("not started: the application has no lifespan, it raises or returns at once")
        yield state
