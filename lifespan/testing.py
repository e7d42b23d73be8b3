"""`running()`: the lifespan of an ASGI application in a test, where no server drives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lifespan.asgi import ASGIApp, Message, Scope
from lifespan.run import NotStarted


@asynccontextmanager
async def running(application: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start `application`, give its lifespan state, and shut it down; for AsyncClient and httpx.ASGITransport.

        async with running(application) as state:
            response = await AsyncClient().get("/")

    Raises `NotStarted` when it does not start, RuntimeError when its shutdown fails, and whatever it raises.
    """
    state: dict[str, Any] = {}
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    said: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    said.put_nowait({"type": "lifespan.startup"})
    lifespan = asyncio.ensure_future(application(scope, said.get, heard.put))
    lifespan.add_done_callback(lambda _: heard.put_nowait({"type": "its end"}))

    async def expect(wanted: str, error: type[RuntimeError]) -> None:
        answer = await heard.get()
        if answer["type"] != wanted:
            await lifespan
            raise error(answer.get("message") or f"{answer['type']} came instead of {wanted}")

    await expect("lifespan.startup.complete", NotStarted)
    try:
        yield state
    finally:
        said.put_nowait({"type": "lifespan.shutdown"})
        await expect("lifespan.shutdown.complete", RuntimeError)
        await lifespan
