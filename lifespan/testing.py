"""`running()`: the lifespan of an ASGI application in a test, where no server drives it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lifespan.asgi import ASGIApp
from lifespan.driver import Driver
from lifespan.run import NotStarted


@asynccontextmanager
async def running(application: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start `application`, give its lifespan state, and shut it down; for AsyncClient and httpx.ASGITransport.

        async with running(application) as state:
            response = await AsyncClient().get("/")

    Raises `NotStarted` when it does not start, RuntimeError when its shutdown fails, and whatever it raises.
    """
    state: dict[str, Any] = {}
    async with Driver(application, state=state) as driver:
        if not await driver.startup():
            raise driver.error or NotStarted("not started: the application has no lifespan, it returns at once")
        yield state
