"""The open resources of a run: opened in order, closed in reverse, in time, and named in what goes wrong.

A problem is logged with its traceback where it happens and kept as one line; `ResourceFailed` then only unwinds.
An error whose attribute `traceback_helps` is False is logged without: its text says all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from functools import partial
from typing import Any

log = logging.getLogger("lifespan")

type Held = AbstractAsyncContextManager[Mapping[str, Any] | None]


class ResourceFailed(Exception):
    """A resource broke while it was opened or closed; that has been told already."""


class Resources(AsyncExitStack):
    """An exit stack whose steps have names and a common time limit, in seconds, for opening and for closing."""

    def __init__(self, startup_timeout: float, shutdown_timeout: float) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}
        self.problems: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._startup_timeout = startup_timeout
        self._shutdown_timeout = shutdown_timeout
        self._opened_by = self._loop.time() + startup_timeout
        self._closed_by = 0.0

    def start_closing(self) -> None:
        """From here the limit for closing counts."""
        self._closed_by = self._loop.time() + self._shutdown_timeout

    def hurry(self) -> None:
        """Leave no more time for closing."""
        self.problems.append("stopped in a hurry")
        self._shutdown_timeout = self._closed_by = 0.0

    async def open[R](self, resource: Callable[[R], Held], run: R) -> None:
        """Open one resource and merge what it yields into `state`. Raises `ResourceFailed`."""
        name = _name_of(resource)
        with self._telling(name):
            held = resource(run)
            if not isinstance(held, AbstractAsyncContextManager):
                raise TypeError("it returns no async context manager; is @asynccontextmanager missing?")
            given = await _by(
                self._opened_by, held.__aenter__(), late=f"not started within {self._startup_timeout:g} s"
            )
            self.push_async_exit(partial(self._close, name, held))
            self._merge({} if given is None else given)

    async def _close(self, name: str, held: Held, *raised: Any) -> bool | None:
        with self._telling(name):
            late = f"not closed within {self._shutdown_timeout:g} s"
            return await _by(self._closed_by, held.__aexit__(*raised), late=late)

    def _merge(self, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping):
            raise TypeError(f"it must yield a dict of names and values, or nothing; not {type(given).__name__}")
        if taken := given.keys() & self.state.keys():
            raise ValueError(f"it yields {sorted(taken)}, as another resource does; choose another name")
        self.state.update(given)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            if untold := _untold(exc):
                self.problems.append(f"{name}: {one_line(untold)}")
                log.error("%s", self.problems[-1], exc_info=worth_a_traceback(untold))
            raise ResourceFailed from exc


def _name_of(resource: object) -> str:
    function = resource.func if isinstance(resource, partial) else resource
    return str(getattr(function, "__name__", type(function).__name__)).removeprefix("_")


async def _by[T](deadline: float, step: Awaitable[T], *, late: str) -> T:
    try:
        async with asyncio.timeout_at(deadline) as limit:
            return await step
    except Exception as exc:
        if limit.expired():
            raise TimeoutError(late) from exc
        raise


def _untold(exc: Exception) -> Exception | None:
    """What is new in it: a task group wraps what passes through it."""
    if isinstance(exc, ExceptionGroup):
        return exc.split(ResourceFailed)[1]
    return None if isinstance(exc, ResourceFailed) else exc


def worth_a_traceback(exc: BaseException) -> BaseException | None:
    """`exc`, or None if its `traceback_helps` is False: its text says what to change, and where it rose does not."""
    return exc if getattr(exc, "traceback_helps", True) else None


def one_line(exc: BaseException) -> str:
    """Name and text of an exception; of a group with one child, the child's."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return " ".join(f"{type(exc).__name__}: {exc}".split()).rstrip(":")
