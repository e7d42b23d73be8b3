"""Producer and consumer as a project without us starts and stops them: aiokafka in an async context manager.

The probe's views ask for them through the same hooks as ours. There is no outbox, so nothing is published.
"""

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.acceptance.servers.probe import hooks

ADDRESS = os.environ.get("EVENTS_BOOTSTRAP_SERVERS", "")
TOPIC, GROUP = (os.environ.get("EVENTS_PREFIX", "") + name for name in ("probes", "probe.heard"))


@asynccontextmanager
async def kafka():
    """Start the producer, the consumer and its task; stop them in reverse."""
    await hooks.trouble()
    hooks.draining, broken = asyncio.Event(), asyncio.Event()
    hooks.break_down = broken.set
    async with AIOKafkaProducer(bootstrap_servers=ADDRESS) as producer:

        async def send(name):
            await producer.send_and_wait(TOPIC, json.dumps({"name": name}).encode())

        hooks.send = send
        consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=ADDRESS, group_id=GROUP)
        await consumer.start()
        consuming = asyncio.create_task(_consume(consumer, broken))
        hooks.say("open")
        try:
            yield
        finally:
            hooks.draining.set()
            consuming.cancel()
            with suppress(asyncio.CancelledError, RuntimeError):
                await consuming
            await consumer.stop()
            hooks.say("closed")


async def _consume(consumer, broken):
    """Hear events until it is cancelled, or breaks down."""
    watching = asyncio.create_task(broken.wait())
    while not watching.done():
        hearing = asyncio.create_task(consumer.getone())
        await asyncio.wait({hearing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            hearing.cancel()
    raise RuntimeError("the probe broke down")
