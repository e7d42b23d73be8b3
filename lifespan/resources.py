"""The open resources of a run: opened in order, closed in reverse, in time, and named in what goes wrong.

A problem is logged with its traceback where it happens and kept as one line; it is no trouble of the other resources.
An error whose attribute `traceback_helps` is False is logged without: its text says all.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncContextDecorator, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

log = logging.getLogger("lifespan")

type Held = AbstractAsyncContextManager[Mapping[str, Any] | None]


def check(resources: Sequence[object], **limits: object) -> None:
    """Refuse what cannot work: `TypeError`, and `ValueError` for time limits, in seconds, given by their names."""
    for name, seconds in limits.items():
        if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError(f"{name} must be a number of seconds above 0, not {seconds!r}")
    for number, resource in enumerate(resources, 1):
        if not callable(resource) or isinstance(resource, AsyncContextDecorator):  # what a @asynccontextmanager returns
            what = f"resource {number} is a {type(resource).__name__}"
            raise TypeError(f"{what}: pass the function itself, do not call it")


class Resources(AsyncExitStack[bool]):
    """An exit stack whose steps have names and a common time limit."""

    def __init__(self, startup_timeout: float) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}
        self.problems: list[str] = []
        self._step = asyncio.timeout(None)
        self.allow(startup_timeout, late="started")

    def allow(self, seconds: float, *, late: str) -> None:
        """From here all steps together have so many seconds, the one that is under way included."""
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._late = f"TimeoutError: not {late} within {seconds:g} s"
        with suppress(RuntimeError):  # none is under way, or it is late already
            self._step.reschedule(self._deadline)

    async def open[R](self, resource: Callable[[R], Held], run: R) -> bool:
        """Open one resource and merge what it yields into `state`. Returns whether that went well."""
        name = _name_of(resource)
        async with self._telling(name):
            held = AsyncExitStack()  # it names the type of what is no context manager
            given = await held.enter_async_context(resource(run))
            self.push_async_exit(partial(self._close, name, held))
            self.state |= dict(**self.state, **(given or {}))  # refuses a name that is taken
            return True
        return False

    async def _close(self, name: str, held: AsyncExitStack, *raised: Any) -> bool:
        async with self._telling(name):
            return bool(await held.__aexit__(*raised))
        return True  # it is told: the others close as if nothing had happened

    @asynccontextmanager
    async def _telling(self, name: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._deadline) as self._step:
                yield
        except BaseException as exc:
            task = asyncio.current_task()
            if isinstance(exc, asyncio.CancelledError) and task and task.cancelling():
                raise  # somebody has cancelled us; else it is the resource's own
            self.problems.append(f"{name}: {self._late if self._step.expired() else one_line(exc)}")
            log.error("%s", self.problems[-1], exc_info=worth_a_traceback(exc))


def _name_of(resource: object) -> str:
    function = resource.func if isinstance(resource, partial) else resource
    return str(getattr(function, "__name__", type(function).__name__)).removeprefix("_")


def worth_a_traceback(exc: BaseException) -> BaseException | None:
    """`exc`, or None if its `traceback_helps` is False: its text says what to change, and where it rose does not."""
    return exc if getattr(exc, "traceback_helps", True) else None


def one_line(exc: BaseException) -> str:
    """Name and text of an exception; of a group with one child, the child's."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return " ".join(f"{type(exc).__name__}: {exc}".split()).rstrip(":")
