"""The lifespan that daphne does not send, told to the application that it serves.

    the application is imported ..... `attend()`: wait for the reactor; where it never runs, nothing happens
    daphne listens, the reactor runs  pause the ports, tell `startup`; then let the waiting connections in
    a stop signal ................... daphne cancels its requests: wait for them, then tell `shutdown`

All of Twisted is reached through daphne's module, if that is loaded: to import it here would install a reactor.
"""

import asyncio
import logging
import sys
import threading
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

from lifespan.driver import lifespan_of
from lifespan.run import NotStarted, current

log = logging.getLogger("lifespan")

REQUESTS_S = 5.0
"""The most that cancelled requests may take to end, in seconds. It comes on top of the shutdown's own time limit."""


@cache  # once in a process, whatever number of applications is made: only one of them is served
def attend(daphne: ModuleType | None) -> None:
    """Tell the application that daphne serves, once its reactor runs in this process."""
    if daphne:
        daphne.reactor.callWhenRunning(_begin, daphne)


def _begin(daphne: ModuleType) -> None:
    if ports := [port for port in daphne.reactor.getReaders() if isinstance(_factory(port), daphne.HTTPFactory)]:
        for port in ports:
            port.stopReading()
        loop = asyncio.get_event_loop()  # daphne has set it; it is about to run
        task = loop.create_task(_hold(_factory(ports[0]).server, daphne.reactor, ports=ports))
        daphne.reactor.addSystemEventTrigger("before", "shutdown", _stop, daphne, task)


def _factory(port: Any) -> Any:
    """What makes the connections of a port. TLS is a wrapper in between."""
    factory: Any = getattr(port, "factory", None)
    while hasattr(factory, "wrappedFactory"):
        factory = factory.wrappedFactory
    return factory


def _stop(daphne: ModuleType, task: asyncio.Task[None]) -> Any:
    """What the reactor waits for before it ends."""
    task.cancel()
    return daphne.defer.Deferred.fromFuture(asyncio.gather(task, return_exceptions=True))


async def _hold(server: Any, reactor: Any, *, ports: list[Any]) -> None:
    """Start the application, let connections in, and shut it down when this task is cancelled."""
    try:
        async with lifespan_of(server.application) as has_one:
            if not has_one:
                log.warning("the application that daphne serves has no lifespan; Lifespan must be the outermost")
            for port in ports:
                port.startReading()
            try:
                await _until_cancelled(reactor)
            finally:
                for port in ports:
                    port.stopReading()
                await _until_idle(server)
    except NotStarted as error:
        log.critical("%s", error)
        asyncio.get_running_loop().call_soon(sys.exit, 3)


async def _until_cancelled(reactor: Any) -> None:
    """Wait. In a thread (runserver's, with its autoreloader) a run that fails has no signal to stop the server by."""
    if threading.current_thread() is not threading.main_thread():
        with suppress(NotStarted):
            await current().draining.wait()
            reactor.stop()
    await asyncio.Event().wait()


async def _until_idle(server: Any) -> None:
    """Wait for the requests that daphne has just cancelled, not for long: what catches that may still send."""
    found = [one.get("application_instance") for one in server.connections.values()]
    if requests := list(filter(None, found)):
        await asyncio.wait(requests, timeout=REQUESTS_S)
