"""The server's side of the lifespan protocol: startup and shutdown told to an application, and its answers."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from lifespan.asgi import ASGIApp, Message, Scope


class LifespanFailed(RuntimeError):
    """The application answered that its startup or shutdown failed; the text is its message, or its last line."""


class Driver:
    """One lifespan of `application`, which runs in a task of its own while the block is open.

    Protocol: the lifespan specification 2.0 of ASGI. Without a `state` the application gets none.
    """

    def __init__(self, application: ASGIApp, *, state: dict[str, Any] | None = None) -> None:
        self._application = application
        self._scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        if state is not None:
            self._scope["state"] = state
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.asked = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._converse(), name="lifespan of the application")
        self.when_ended(lambda error: self._answers.put_nowait({"type": "its end"}))
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def error(self) -> BaseException | None:
        """What the application has raised, if it is at its end."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    def when_ended(self, do: Callable[[BaseException | None], object]) -> None:
        """Call `do` with what the application raises, or with None, once it ends."""
        self._task.add_done_callback(lambda task: do(self.error))

    async def startup(self) -> bool:
        """Whether it started; False if it has no lifespan, so that it raises or returns. Raises `LifespanFailed`."""
        return await self._tell("startup")

    async def shutdown(self) -> None:
        """Shut it down, if it has not ended already. Raises `LifespanFailed`, or what it raises now."""
        if not self._task.done() and not await self._tell("shutdown") and self.error:
            raise self.error

    async def _converse(self) -> None:  # so that an application that raises when it is called does it in the task
        await self._application(self._scope, self._receive, self._answers.put)

    async def _receive(self) -> Message:
        self.asked = True
        return await self._told.get()

    async def _tell(self, what: str) -> bool:
        self._told.put_nowait({"type": f"lifespan.{what}"})
        answer = await self._answers.get()
        if answer["type"] == f"lifespan.{what}.failed":
            raise _failure(answer.get("message") or f"its {what} failed, without a message")
        return bool(answer["type"] == f"lifespan.{what}.complete")


def _failure(message: str) -> LifespanFailed:
    """An error of one line; Starlette sends a whole traceback, which goes into the log with it."""
    if "\n" not in message.strip():
        return LifespanFailed(message)
    error = LifespanFailed(re.findall(r"\w.*", message)[-1])
    error.add_note(message)
    return error
