"""The server's side of the lifespan protocol: startup and shutdown told to an application, and its answers."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from lifespan.asgi import ASGIApp, Message
from lifespan.run import NotStarted

log = logging.getLogger("lifespan")

SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}


@asynccontextmanager
async def lifespan_of(app: ASGIApp, **more: Any) -> AsyncIterator[asyncio.Task[None] | None]:
    """Start `app`, and shut it down at the end. Yields the task that it runs in; None: it has no lifespan.

    Protocol: the lifespan specification 2.0 of ASGI. One that raises (as Django does) or returns instead of an answer
    has no lifespan. `more` goes into the scope, such as a `state`. Raises `NotStarted`; at the end `RuntimeError` when
    its shutdown failed, and what it raises instead of an answer.
    """
    told: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    async def converse() -> None:  # so that an application that raises when it is called does it in the task
        await app({**SCOPE, **more}, told.get, answers.put)

    async def tell(what: str, failed: type[Exception]) -> bool:
        told.put_nowait({"type": f"lifespan.{what}"})
        answer = await answers.get()
        if answer["type"] == f"lifespan.{what}.failed":
            raise _one_line(failed, answer.get("message") or f"its {what} failed, without a message")
        return bool(answer["type"] == f"lifespan.{what}.complete")

    task = asyncio.create_task(converse(), name="lifespan of the application")
    task.add_done_callback(lambda task: answers.put_nowait({"type": "its end"}))
    try:
        started = await tell("startup", NotStarted)
        if not started:
            level = logging.WARNING if told.empty() else logging.DEBUG
            log.log(level, "the application starts without a lifespan of its own", exc_info=task.exception())
        try:
            yield task if started else None
        finally:
            if not task.done() and not await tell("shutdown", RuntimeError):
                await task
    finally:
        task.cancel()
        await asyncio.wait({task})


def _one_line(failed: type[Exception], message: str) -> Exception:
    """An error with the last line of a message. The whole is a note: Starlette sends a traceback."""
    *before, last = re.findall(r"\S*\w.*", message) or [message]
    error = failed(last)
    if before:
        error.add_note(message)
    return error
