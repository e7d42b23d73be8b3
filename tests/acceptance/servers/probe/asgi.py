"""The probe inside our `Lifespan`."""

import asyncio
import os
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
    """Fill in the hooks, and say when the run drains and ends."""
    await hooks.trouble()
    hooks.send, hooks.publish, hooks.draining = _send, _publish, run.draining
    hooks.break_down = lambda: run.fail(RuntimeError("the probe broke down"))
    watching = asyncio.create_task(_say_when_draining(run.draining))
    hooks.say("open")
    try:
        yield
    finally:
        watching.cancel()
        hooks.say("closed")


async def _say_when_draining(draining):
    await draining.wait()
    hooks.say("draining")


application = Lifespan(django, probing, sending, relaying, consuming)
