"""What the tests of the relay share: events, their rows, a relay that runs in the background."""

import asyncio

from django.db import transaction

from events import Event
from events.models import OutboxRecord
from events.publishing import publish
from events.relay import RelayOptions

QUICK = RelayOptions(interval_s=0.02, lease_s=60, back_off_first_s=0.01, back_off_most_s=0.02)
"""Quick in all but its lease, which a machine that stands still for a moment must not end."""


class Counted(Event, topic="relay-counted", key="key"):
    key: str | None
    number: int


def publish_all(alias, *events):
    with transaction.atomic(using=alias):
        return [publish(event) for event in events]


def rows(alias):
    return list(OutboxRecord.objects.using(alias).order_by("id"))


def numbers(kafka, key=None):
    return [
        int(record.value.split(b'"number":')[1].rstrip(b"}"))
        for record in kafka.records
        if key is None or record.key == key.encode()
    ]


def refusing(number):
    return lambda record: b'"number":%d}' % number in record.value


class Running:
    """A relay that runs in the background of a test."""

    def __init__(self, relay):
        self.relay = relay

    async def __aenter__(self):
        self.task = asyncio.create_task(self.relay.run())
        return self.relay

    async def __aexit__(self, *_):
        self.relay.stop()
        await asyncio.wait_for(self.task, 30)
