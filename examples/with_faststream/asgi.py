"""The ASGI application with FastStream: its broker is one more resource of `Lifespan`.

    Lifespan(django, sending, relaying, consuming, broadcasting, faststream)

`uvicorn examples.with_faststream.asgi:application`. Neither Starlette nor an application of FastStream is needed:
a broker is something that is opened and closed, and that is what a resource is.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lifespan import Lifespan, Run

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# After the line above: this sets Django up, which the others need.
from config.asgi import django
from events.worker import broadcasting, consuming, kafka_of, relaying, sending
from examples.with_faststream.broker import broker_at
from examples.with_faststream.opening import Opening, keep_open


@asynccontextmanager
async def faststream(run: Run) -> AsyncIterator[None]:
    """The broker of FastStream. Kafka may be away: the process serves, and the broker opens when it is there."""
    async with kafka_of(run) as kafka, asyncio.TaskGroup() as tasks:
        replaced = asyncio.Event()
        kafka.when_replaced.append(replaced.set)
        opening = Opening(lambda: kafka.address, broker_at)
        tasks.create_task(keep_open(opening, stop=run.draining, renew=replaced), name="faststream")
        yield
        await run.draining.wait()


application = Lifespan(django, sending, relaying, consuming, broadcasting, faststream)
