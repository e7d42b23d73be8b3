"""The open resources of a run: opened in order, closed in reverse, in time, and named in what goes wrong.

A problem is logged with its traceback where it happens and kept as one line; `ResourceFailed` then only unwinds.
An error whose attribute `traceback_helps` is False is logged without: its text says all.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncContextDecorator, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

log = logging.getLogger("lifespan")

type Held = AbstractAsyncContextManager[Mapping[str, Any] | None]


class ResourceFailed(Exception):
    """A resource broke while it was opened or closed; that has been told already."""


class WrongResource(TypeError):
    """A resource that is not what a run can use; the text says what to change."""

    traceback_helps = False


def check(resources: Sequence[object], **limits: object) -> None:
    """Refuse what cannot work: `WrongResource`, and `ValueError` for time limits, in seconds, given by their names."""
    for name, seconds in limits.items():
        if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError(f"{name} must be a number of seconds above 0, not {seconds!r}")
    for number, resource in enumerate(resources, 1):
        if not callable(resource) or isinstance(resource, AsyncContextDecorator):  # what a @asynccontextmanager returns
            what = f"resource {number} is a {type(resource).__name__}"
            raise WrongResource(f"{what}: pass the function itself, do not call it")


class Resources(AsyncExitStack):
    """An exit stack whose steps have names and a common time limit."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}
        self.problems: list[str] = []
        self._step: asyncio.Timeout | None = None

    def allow(self, seconds: float, *, late: str) -> None:
        """From here all steps together have so many seconds, the one that is under way included."""
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._late = f"not {late} within {seconds:g} s"
        if self._step and not self._step.expired():
            self._step.reschedule(self._deadline)

    async def open[R](self, resource: Callable[[R], Held], run: R) -> None:
        """Open one resource and merge what it yields into `state`. Raises `ResourceFailed`."""
        name = _name_of(resource)
        async with self._telling(name):
            held = resource(run)
            if not isinstance(held, AbstractAsyncContextManager):
                if isinstance(held, Coroutine):
                    held.close()  # else Python warns that it was never awaited
                raise WrongResource("it returns no async context manager; is @asynccontextmanager missing?")
            given = await held.__aenter__()
            self.push_async_exit(partial(self._close, name, held))
            self._merge({} if given is None else given)

    async def _close(self, name: str, held: Held, *raised: Any) -> bool | None:
        async with self._telling(name):
            return await held.__aexit__(*raised)

    def _merge(self, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping):
            raise WrongResource(f"it must yield a dict of names and values, or nothing; not {type(given).__name__}")
        if taken := given.keys() & self.state.keys():
            raise WrongResource(f"it yields {sorted(taken)}, as another resource does; choose another name")
        self.state.update(given)

    @asynccontextmanager
    async def _telling(self, name: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._deadline) as self._step:
                yield
        except BaseException as exc:
            task = asyncio.current_task()
            if isinstance(exc, asyncio.CancelledError) and task and task.cancelling():
                raise  # somebody has cancelled us; else it is the resource's own
            if untold := _untold(exc):
                late = self._step and self._step.expired()
                self.problems.append(f"{name}: {f'TimeoutError: {self._late}' if late else one_line(untold)}")
                log.error("%s", self.problems[-1], exc_info=worth_a_traceback(untold))
            raise ResourceFailed from exc
        finally:
            self._step = None


def _name_of(resource: object) -> str:
    function = resource.func if isinstance(resource, partial) else resource
    return str(getattr(function, "__name__", type(function).__name__)).removeprefix("_")


def _untold(exc: BaseException) -> BaseException | None:
    """What is new in it: a task group wraps what passes through it."""
    if isinstance(exc, BaseExceptionGroup):
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
