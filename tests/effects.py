"""What the tests of handling share: events, a registry of their own, records as Kafka hands them over, and effects.

An effect is a row that a subscriber writes; the table of leases serves, since it has a free text as its key.
"""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

from django.db import connections
from django.utils import timezone

from events import Event
from events.conf import config
from events.core.broker import Record
from events.core.codec import Codec
from events.core.registry import Registry
from events.core.retry import RetryPolicy
from events.handling import Handling
from events.models import HeldRecord, Lease

POLICY = RetryPolicy(attempts=3, delay_s=0.5, max_delay_s=30, chance=lambda: 0.0)


class Happened(Event, topic="effects", key="thing"):
    thing: str
    number: int = 0


class AlsoHappened(Event, topic="effects", key="thing"):
    thing: str


class Elsewhere(Event, topic="elsewhere"):
    thing: str


def a(thing, number=0):
    """An event."""
    return Happened(thing=thing, number=number)


def write(name):
    """Have an effect."""
    Lease.objects.using(config().DATABASE).create(name=name, until=timezone.now())


async def awrite(name):
    """Have an effect, through the async ORM."""
    await Lease.objects.using(config().DATABASE).acreate(name=name, until=timezone.now())


def effects():
    """The names of all effects that were committed, sorted; without the leases of relay and pruning."""
    return sorted(
        Lease.objects.using(config().DATABASE).exclude(name__in=["relay", "prune"]).values_list("name", flat=True)
    )


async def aeffects():
    """The same, as another connection sees it, from async code."""
    return await asyncio.to_thread(_and_close, effects)


async def adead():
    """All dead letters, from async code."""
    return await asyncio.to_thread(_and_close, dead)


def elsewhere(ask):
    """What a sync function says on another connection; for conditions that async tests wait for."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_and_close, ask).result()


def _and_close(ask):
    try:
        return ask()
    finally:
        connections.close_all()


def dead():
    """All dead letters, in the order of their offsets."""
    return list(HeldRecord.objects.using(config().DATABASE).order_by("offset", "subscriber"))


class Shop:
    """A registry, its codec, and a place to make records. `@shop.subscriber(...)` declares; `shop.handling(...)`."""

    def __init__(self):
        self.registry = Registry(event_classes=[Happened, AlsoHappened, Elsewhere])
        self.codec = Codec("tests", "", self.registry)
        self.subscriber = self.registry.subscriber
        self._offsets = itertools.count()

    def handling(self, threads, policy=POLICY):
        """The handling of the only group."""
        (group,) = self.registry.groups("shop").values()
        return Handling(group, self.codec, policy, threads)

    def record(self, event, **changes):
        """An event as Kafka hands it over."""
        sent = self.codec.encode(event)
        given = {"topic": sent.topic, "key": sent.key, "value": sent.value, "headers": sent.headers} | changes
        return Record(partition=0, offset=next(self._offsets), **given)
