"""The probe inside our `Lifespan`."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

from django.core.asgi import get_asgi_application

from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.servers.probe.settings")
django = get_asgi_application()

from events.publishing import aatomic, apublish, asend  # noqa: E402
from events.worker import consuming, relaying, sending  # noqa: E402
from tests.acceptance.servers.probe import hooks  # noqa: E402
from tests.acceptance.servers.probe.contracts import Probed  # noqa: E402


async def _send(name):
    await asend(Probed(name=name))


async def _publish(name):
    async with aatomic():
        await apublish(Probed(name=name))


@asynccontextmanager
async def probing(run):
    """Fill in the hooks, work beside the requests, and say when the run drains and ends."""
    await hooks.trouble()
    dying = asyncio.Event()
    hooks.send, hooks.publish, hooks.draining, hooks.break_down = _send, _publish, run.draining, dying.set
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(_work(run, dying)), tasks.create_task(_say_when_draining(run.draining))]
        hooks.say("open")
        try:
            yield
        finally:
            for task in working:
                task.cancel()
            hooks.say("closed")


async def _work(run, dying):
    """Work until told to die: by an exception that nobody catches, or by saying so to the run."""
    await dying.wait()
    error = RuntimeError("the probe broke down")
    if os.environ.get("PROBE_DIES") != "run.fail":
        raise error
    run.fail(error)


async def _say_when_draining(draining):
    await draining.wait()
    hooks.say("draining")


if "daphne.server" in sys.modules:
    hooks.say("daphne is loaded")
application = Lifespan(django, probing, sending, relaying, consuming)
