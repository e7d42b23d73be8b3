"""`keep_open`: a FastStream broker opens when Kafka is there, and closes when the process drains.

`broker.start()` raises at once when no broker answers, and leaves a producer behind that nobody can close. So somebody
knocks first; and what is raised all the same is logged, and tried again with growing pauses.

    knock ── nobody ──> wait 1, 2, 4 ... 30 s ──> knock
      └── answers ──> start ──> until `stop`, or until the broker is to be renewed ──> stop
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from faststream.kafka import KafkaBroker

KNOCK_S = 5.0
MAX_PAUSE_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is opened: `make(address())` each time, `host:port,host:port` being where Kafka is at that moment."""

    address: Callable[[], str]
    make: Callable[[str], KafkaBroker]


async def keep_open(opening: Opening, *, stop: asyncio.Event, renew: asyncio.Event) -> None:
    """Hold a broker open until `stop`. After `renew` a new one is made."""
    failures = 0
    while not stop.is_set():
        renew.clear()
        try:
            await _hold(opening, stop, renew=renew)
            failures = 0
        except (OSError, RuntimeError) as error:  # the client's errors are RuntimeErrors
            failures += 1
            log.warning("FastStream waits for Kafka: %s", error)
            await _set_within(stop, random.uniform(0.5, 1) * min(2 ** (failures - 1), MAX_PAUSE_S))


async def _hold(opening: Opening, stop: asyncio.Event, *, renew: asyncio.Event) -> None:
    address = opening.address()
    await knock(address)
    async with opening.make(address) as broker:
        await broker.start()
        log.info("FastStream is up.")
        events = [asyncio.ensure_future(event.wait()) for event in (stop, renew)]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
    log.info("FastStream is closed.")


async def knock(address: str) -> None:
    """Return if one of `host:port,host:port` takes a connection. Raises `ConnectionError` if none does."""
    for one in address.split(","):
        host, _, port = one.rpartition(":")
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(KNOCK_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return
    raise ConnectionError(f"nobody answers at {address}")


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
