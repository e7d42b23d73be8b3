"""`Lifespan`: the ASGI application that opens resources at the server's startup and closes them at its shutdown."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from inspect import isasyncgenfunction
from typing import Any

from lifespan.asgi import ASGIApp, Receive, Scope, Send
from lifespan.daphne import attend
from lifespan.driver import lifespan_of
from lifespan.resources import check
from lifespan.run import NotStarted, Resource, Run

INSIDE = "lifespan.inside"
"""What is in the scope of a lifespan that a `Lifespan` tells: one that hears it is not the outermost."""


class Lifespan:
    """Wraps `app`, and answers the `lifespan` scope itself; every other scope is passed on untouched.

    Each resource is a callable that is given the `Run` and returns an async context manager; what that yields, a
    dict or None, goes into `scope["state"]`. The lifespan of `app`, if it has one, is the last of them. The time
    limits, in seconds, hold for all resources together. They are below the 30 s after which gunicorn and Kubernetes
    lose patience.

    Protocol: the lifespan specification 2.0 of ASGI. A start that fails is answered, never raised: at an exception,
    as at an early return, every server would go on and serve without the resources.
    """

    def __init__(
        self, app: ASGIApp, *resources: Resource, startup_timeout: float = 25.0, shutdown_timeout: float = 20.0
    ) -> None:
        if isasyncgenfunction(getattr(app, "__wrapped__", app)):  # as no application is, and most resources are
            raise TypeError("the application comes first: Lifespan(application, resource, ...)")
        check(resources, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout)
        self.app = app
        self._new_run = partial(Run, *resources, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout)
        attend(sys.modules.get("daphne.server"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if INSIDE in scope:
                raise NotStarted("one Lifespan is inside another: give all resources to the outermost, and remove this")
            run = self._new_run(partial(self._application, scope=scope))
            await run.start()
        except Exception as exc:  # whatever it is: raised, it would let the server serve without us
            await send({"type": "lifespan.startup.failed", "message": str(exc)})
            return
        scope.get("state", {}).update(run.state)
        try:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        finally:  # cancelled means stop, too
            await run.finish()
        if run.problems and run.sets_exit_code:
            await _leave(run)
        failed = {"type": "lifespan.shutdown.failed", "message": "; ".join(run.problems)}
        await send(failed if run.problems else {"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _application(self, run: Run, *, scope: Scope) -> AsyncIterator[Mapping[str, Any]]:
        """The lifespan of `app` as a resource. A crash of it between startup and shutdown fails the run."""
        more: dict[str, Any] = {"state": {}} if "state" in scope else {}
        async with lifespan_of(self.app, **{INSIDE: True}, **more) as task:
            if task:
                task.add_done_callback(partial(_fail, run))
            yield more.get("state", {})


async def _leave(run: Run) -> None:
    """Leave by way of the loop, as uvicorn swallows even `SystemExit` here.

    It waits, for if the server went on meanwhile it would send itself the signal that it has caught.
    """
    run.loop.call_soon(sys.exit, 1)
    await asyncio.sleep(1)


def _fail(run: Run, task: asyncio.Task[None]) -> None:
    if run.stage == "up" and not task.cancelled() and (error := task.exception()):
        run.fail(error)
