"""Dead letters: records that were given up on, with their bytes and what went wrong."""

from django.db import DataError

from events.conf import config
from events.core.broker import Record
from events.core.envelope import Envelope
from events.models import HeldRecord


def letter(record: Record, *, group: str, subscriber: str = "", envelope: Envelope | None = None) -> HeldRecord:
    """An unsaved row that holds the record. A bare one when no other can be made: nothing may block a partition."""
    try:
        return HeldRecord.holding(record, group=group, subscriber=subscriber, envelope=envelope)
    except Exception:
        return HeldRecord.bare(record, group=group, subscriber=subscriber)


def bury(row: HeldRecord) -> None:
    """Keep a record that cannot be handled: `letter(...).failed_with(...)`.

    Once only: a record that Kafka hands over again, and that fails again, has its row already. What the database
    refuses for its content is kept without headers and texts.
    """
    try:
        _write(row)
    except (DataError, ValueError, TypeError):
        row.headers = []
        row.event_id = row.event_type = row.error_message = row.traceback = ""
        _write(row)


def _write(row: HeldRecord) -> None:
    HeldRecord.objects.using(config().DATABASE).bulk_create([row], ignore_conflicts=True)
