"""The server's side of the lifespan protocol: startup and shutdown told to an application, and its answers."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Self

from lifespan.asgi import ASGIApp, Message, Scope
from lifespan.run import NotStarted


class LifespanFailed(RuntimeError):
    """The application answered that its shutdown failed; the text is its message, or the last line of that."""


class Driver:
    """One lifespan of `application`, which runs in `task` while the block is open; at its end it is shut down.

    Protocol: the lifespan specification 2.0 of ASGI. Without a `state` the application gets none. The end of the
    block raises `LifespanFailed`, or what the application raises instead of an answer.
    """

    def __init__(self, application: ASGIApp, *, state: dict[str, Any] | None = None) -> None:
        self._application = application
        self.scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        if state is not None:
            self.scope["state"] = state
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._started = False

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._converse(), name="lifespan of the application")
        self.task.add_done_callback(lambda task: self._answers.put_nowait({"type": "its end"}))
        return self

    async def __aexit__(self, *raised: object) -> None:
        try:
            up = self._started and not self.task.done()
            if up and not await self._tell("shutdown", LifespanFailed) and self.error:
                raise self.error
        finally:
            self.task.cancel()
            await asyncio.wait({self.task})

    @property
    def error(self) -> BaseException | None:
        """What the application has raised, if it is at its end."""
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None

    @property
    def asked(self) -> bool:
        """Whether the application has taken what it was told."""
        return self._told.empty()

    async def startup(self) -> bool:
        """Whether it started; False if it has no lifespan, so that it raises or returns. Raises `NotStarted`."""
        self._started = await self._tell("startup", NotStarted)
        return self._started

    async def _converse(self) -> None:  # so that an application that raises when it is called does it in the task
        await self._application(self.scope, self._told.get, self._answers.put)

    async def _tell(self, what: str, failed: type[Exception]) -> bool:
        self._told.put_nowait({"type": f"lifespan.{what}"})
        answer = await self._answers.get()
        if answer["type"] == f"lifespan.{what}.failed":
            message = answer.get("message") or f"its {what} failed, without a message"
            *before, last = re.findall(r"\S*\w.*", message) or [message]
            error = failed(last)
            if before:  # Starlette sends a whole traceback
                error.add_note(message)
            raise error
        return bool(answer["type"] == f"lifespan.{what}.complete")
