"""The log lines of a record, each with the facts of the record as structured `extra`; never with its value."""

import logging
from collections.abc import Sequence

from events.core.broker import Record
from events.core.envelope import Envelope
from events.core.extra import extra

logger = logging.getLogger("events.handling")


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


def log_batch_failed(records: Sequence[Record], envelope: Envelope, *, subscriber: str, error: Exception) -> None:
    """A subscriber failed on a batch, whose records are now handled alone. `envelope`: of the first one."""
    first = records[0]
    values = (subscriber, len(records), first.place, f"{type(error).__name__}: {error}")
    text = "%s failed on a batch of %d that begins with %s: %s; now one at a time"
    logger.warning(text, *values, extra=extra(first, envelope, subscriber=subscriber))


def log_buried(record: Record, envelope: Envelope | None, *, subscriber: str, reason: str, error: Exception) -> None:
    """A record became a dead letter. With the traceback."""
    values = (envelope.type if envelope else "record", record.place, reason, subscriber or "nobody could decode it")
    text = "%s %s is a dead letter (%s): %s"
    logger.error(text, *values, extra=extra(record, envelope, subscriber=subscriber), exc_info=error)


def log_dropped(record: Record, envelope: Envelope, *, subscriber: str, error: Exception) -> None:
    """A broadcast subscriber failed: the event does not come again. With the traceback."""
    values = (subscriber, envelope.type, record.place, f"{type(error).__name__}: {error}")
    text = "%s failed on %s %s, which is dropped, as a broadcast comes once: %s"
    logger.error(text, *values, extra=extra(record, envelope, subscriber=subscriber), exc_info=error)


def log_skipped(record: Record, *, subscriber: str, kind: str, error: Exception | None) -> None:
    """A broadcast subscriber met its first record of a kind that is not for it. At DEBUG what is merely unwanted."""
    logger.log(
        logging.WARNING if error else logging.DEBUG,
        "%s skips %s (%s); of the next of this kind nothing is said%s",
        *(subscriber, record.place, kind, f": {error}" if error else ""),
        extra=extra(record, subscriber=subscriber),
    )
