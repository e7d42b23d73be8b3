"""A port of its own that answers `/health/`, `/health/live` and `/health/ready`, for processes without a web server.

One request a connection, GET and HEAD only, in so many bytes and seconds at most: whatever is sent to it, and by
however many, costs the process nothing that matters. It answers as long as the run is open, so also while it drains.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from events.core.errors import EventsError
from events.health import NO_STORE, AnyRun, Probe, answer, health_of

MOST_BYTES = 8192
"""The longest head of a request."""

REQUEST_S = 5.0
"""The most seconds from the connection to the end of the answer."""

MOST_CONNECTIONS = 64
"""How many are answered at once. One more is answered too: the one that came first is closed without an answer.

So who holds connections open and says nothing keeps no probe out.
"""

PROBES: dict[str, Probe] = {"/health": "", "/health/live": "live", "/health/ready": "ready"}

log = logging.getLogger("events.health")


class PortTaken(EventsError):
    """The port for health cannot be opened."""

    traceback_helps = False


class BadRequest(Exception):
    """What came is no request that is answered; `status` says so."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@asynccontextmanager
async def answering_health(run: AnyRun, *, host: str, port: int) -> AsyncIterator[None]:
    """Answer on `host` and `port` (0: any free one) while the block runs. Raises `PortTaken`."""
    answers = Answers(run)
    try:
        server = await asyncio.start_server(answers.connected, host, port, limit=MOST_BYTES)
    except (OSError, OverflowError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise PortTaken(f"Port {port} of {host} cannot be opened for health, choose another: {why}") from None
    host, port = server.sockets[0].getsockname()[:2]
    log.info("Health: http://%s:%d/health/", f"[{host}]" if ":" in host else host, port)
    try:
        yield
    finally:
        server.close()
        await answers.end()


class Answers:
    """The connections that are open, each a task."""

    def __init__(self, run: AnyRun) -> None:
        self._run = run
        self._open: dict[asyncio.Task[Any], None] = {}
        """In the order in which they came."""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = None
        if len(self._open) > MOST_CONNECTIONS:
            self._end_the_first()
        try:
            async with asyncio.timeout(REQUEST_S):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()  # too slow, or gone: nobody reads an answer
        finally:
            self._open.pop(task, None)
            writer.close()

    def _end_the_first(self) -> None:
        first = next(iter(self._open))
        del self._open[first]
        first.cancel()

    async def end(self) -> None:
        """Close what is open."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            method, probe = _parsed(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, {})
        except BadRequest as error:
            return _response(error.status, {"error": error.status.phrase})
        status, body = answer(health_of(self._run).process(), probe)
        return _response(HTTPStatus(status), body, head_only=method == "HEAD")


def _parsed(head: bytes) -> tuple[str, Probe]:
    """Method and probe of a request. Raises `BadRequest`."""
    try:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST) from None
    if not version.startswith("HTTP/1."):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if (probe := PROBES.get(target.partition("?")[0].removesuffix("/"))) is None:
        raise BadRequest(HTTPStatus.NOT_FOUND)
    if method not in ("GET", "HEAD"):
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)
    return method, probe


def _response(status: HTTPStatus, body: dict[str, object], *, head_only: bool = False) -> bytes:
    content = json.dumps(body).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": len(content),
        "Connection": "close",
        **NO_STORE,
        **({"Allow": "GET, HEAD"} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}),
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + (b"" if head_only else content)
