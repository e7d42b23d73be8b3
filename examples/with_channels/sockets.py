"""`Socket`, what every socket here does, and `closing_sockets`, which ends them all when the process stops.

A server may wait for ever for an open socket (hypercorn does), or drop it without a word (daphne). So they are closed
with 1012, "service restart", as soon as the process drains, and a page knows that it may come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, override

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from lifespan import Run

EVERYBODY = "everybody"
"""The group of the layer that holds every open socket of this process."""

RESTARTS, LATER, WHO, UNKNOWN = 1012, 1013, 4401, 4404
"""Codes of closing: come again; come later; sign in first; no such thing. Those from 4000 are an application's own."""

REPEATED = 0.2
"""Seconds between two calls to close: a socket may open while the process drains."""


class Socket(AsyncWebsocketConsumer):  # Channels calls it a consumer; here that is a word of Kafka's
    """A socket that is closed when its process stops. Once it is closed from here, nothing is told to it any more."""

    groups: tuple[str, ...] = (EVERYBODY,)
    closed = False

    @override
    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own. What still waits for a closed socket is dropped: servers raise at an answer to it."""
        if not self.closed or message["type"] == "websocket.disconnect":
            await super().dispatch(message)

    @override
    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Channels' own."""
        self.closed = True
        await super().close(code, reason)

    async def refuse(self, code: int) -> None:
        """Close a socket that just connects. It is accepted first: a browser is shown no code otherwise."""
        await self.accept()
        await self.close(code)

    async def stop(self, told: dict[str, Any]) -> None:
        """Close, because the process stops. Called by the layer."""
        await self.close(RESTARTS)


class NoSocket(AsyncWebsocketConsumer):
    """An address without a socket: 403. Without it, `URLRouter` would raise, and the log hold a traceback."""

    async def connect(self) -> None:
        """Refuse."""
        await self.close()


@asynccontextmanager
async def closing_sockets(run: Run) -> AsyncIterator[None]:
    """Close all sockets of this process as soon as it drains."""
    closing = asyncio.create_task(_close_all(run.draining))
    try:
        yield
    finally:
        closing.cancel()


async def _close_all(draining: asyncio.Event) -> None:
    await draining.wait()
    while True:
        await get_channel_layer().group_send(EVERYBODY, {"type": "stop"})
        await asyncio.sleep(REPEATED)
