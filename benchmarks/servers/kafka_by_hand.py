"""Producer and consumer as a project without us starts and stops them: aiokafka in an async context manager.

The probe's views ask for them through the same hooks as ours. There is no outbox, so nothing is published; and no
`run.fail`, so where ours calls that, a bare task dies, as most projects have it.
"""

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.acceptance.servers.probe import hooks

ADDRESS = os.environ.get("EVENTS_BOOTSTRAP_SERVERS", "")
DIES = os.environ.get("PROBE_DIES", "in a task group")
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
        async with AIOKafkaConsumer(TOPIC, bootstrap_servers=ADDRESS, group_id=GROUP) as consumer:
            work = _in_a_task_group if DIES == "in a task group" else _in_a_bare_task
            async with work(_consume(consumer, broken)):
                hooks.say("open")
                try:
                    yield
                finally:
                    hooks.draining.set()
    hooks.say("closed")


@asynccontextmanager
async def _in_a_task_group(work):
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def _in_a_bare_task(work):
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, RuntimeError):
            await task


async def _consume(consumer, broken):
    """Hear events until it is cancelled, or breaks down."""
    watching = asyncio.create_task(broken.wait())
    while not watching.done():
        hearing = asyncio.create_task(consumer.getone())
        await asyncio.wait({hearing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            hearing.cancel()
    raise RuntimeError("the probe broke down")
