"""The log lines of a record, each with the facts of the record as structured `extra`; never with its value."""

import logging

from events.core.broker import Record
from events.core.envelope import Envelope

logger = logging.getLogger("events.handling")

type Extra = dict[str, object]


def extra(record: Record, envelope: Envelope | None = None, *, subscriber: str = "") -> Extra:
    """What every line about a record carries: event id, type and key, its place in Kafka, the subscriber."""
    return {
        "event_id": envelope.id if envelope else _header(record, "ce_id"),
        "event_type": envelope.type if envelope else _header(record, "ce_type"),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "subscriber": subscriber,
    }


def log_handled(record: Record, envelope: Envelope, *, subscriber: str) -> None:
    """A subscriber is through. At DEBUG, as there may be thousands a second."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "%s handled %s %s",
            subscriber,
            envelope.type,
            record.place,
            extra=extra(record, envelope, subscriber=subscriber),
        )


def log_unwanted(record: Record, type: str) -> None:
    """A record was skipped because nobody in the group wants its type."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("nobody wants %r at %s", type, record.place, extra=extra(record))


def log_retry(record: Record, envelope: Envelope, *, subscriber: str, after_s: float, error: Exception) -> None:
    """A subscriber failed and gets another attempt."""
    what = f"{type(error).__name__}: {error}"
    values = (subscriber, envelope.type, record.place, what, after_s)
    text = "%s failed on %s %s: %s; again in %.1f s"
    logger.warning(text, *values, extra=extra(record, envelope, subscriber=subscriber))


def log_buried(record: Record, envelope: Envelope | None, *, subscriber: str, reason: str, error: Exception) -> None:
    """A record became a dead letter. With the traceback."""
    values = (envelope.type if envelope else "record", record.place, reason, subscriber or "nobody could decode it")
    text = "%s %s is a dead letter (%s): %s"
    logger.error(text, *values, extra=extra(record, envelope, subscriber=subscriber), exc_info=error)


def _header(record: Record, name: str) -> str | None:
    value = record.header(name)
    return None if value is None else value.decode(errors="replace")
