"""The lifespan that daphne does not send, told to the application that it serves.

    the application is imported ..... `attend()`: wait for the reactor; where it never runs, nothing happens
    daphne listens, the reactor runs  pause the ports, tell `startup`; then let the waiting connections in
    a stop signal ................... tell `shutdown`; the reactor waits for the answer

All of Twisted is reached through daphne's module, if that is loaded: to import it here would install a reactor.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, partial
from types import ModuleType
from typing import Any

from lifespan.asgi import ASGIApp
from lifespan.driver import Driver, LifespanFailed
from lifespan.run import NotStarted, current

log = logging.getLogger("lifespan")


def attend() -> None:
    """Tell the application that daphne serves, once its reactor runs in this process."""
    if daphne := sys.modules.get("daphne.server"):
        _attend(daphne)


@cache  # once in a process, whatever number of applications is made: only one of them is served
def _attend(daphne: ModuleType) -> None:
    daphne.reactor.callWhenRunning(_begin, daphne)


def _begin(daphne: ModuleType) -> None:
    served = _served(daphne)
    for port in served:
        port.stopReading()
    for application in list(served.values())[:1]:
        loop = asyncio.get_event_loop()  # daphne has set it; it is about to run
        task = loop.create_task(_hold(application, daphne.reactor, ports=list(served)))
        stop = partial(_stop, task, daphne.defer.Deferred.fromFuture)
        daphne.reactor.addSystemEventTrigger("before", "shutdown", stop)


def _served(daphne: ModuleType) -> Mapping[Any, ASGIApp]:
    """The listening ports of daphne, each with the application behind it. TLS is a wrapper in between."""
    served = {}
    for port in daphne.reactor.getReaders():
        factory: Any = getattr(port, "factory", None)
        while hasattr(factory, "wrappedFactory"):
            factory = factory.wrappedFactory
        if isinstance(factory, daphne.HTTPFactory):
            served[port] = factory.server.application
    return served


async def _hold(application: ASGIApp, reactor: Any, *, ports: Iterable[Any]) -> None:
    """Start the application, let connections in, and shut it down when this task is cancelled."""
    async with Driver(application) as driver:
        try:
            if not await driver.startup():
                log.warning("the application that daphne serves has no lifespan; Lifespan must be the outermost")
        except LifespanFailed as error:
            log.critical("%s", error)
            asyncio.get_running_loop().call_soon(sys.exit, 3)
            return
        for port in ports:
            port.startReading()
        try:
            await _until_cancelled(reactor)
        finally:
            with suppress(LifespanFailed):  # it has logged what
                await driver.shutdown()


async def _until_cancelled(reactor: Any) -> None:
    """Wait. In a thread (runserver's, with its autoreloader) a run that fails has no signal to stop the server by."""
    if threading.current_thread() is not threading.main_thread():
        with suppress(NotStarted):
            await current().draining.wait()
            reactor.stop()
    await asyncio.Event().wait()


def _stop(task: asyncio.Task[None], waited_for: Callable[[asyncio.Future[Any]], Any]) -> Any:
    """What the reactor waits for before it ends."""
    task.cancel()
    return waited_for(asyncio.ensure_future(asyncio.wait({task})))
