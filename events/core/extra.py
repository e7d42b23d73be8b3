"""`extra`: what every log line about a record carries beside its text; never its value.

The keys are the same on every line: event_id, event_type, key, topic, partition, offset, subscriber. What is not known
is None, or an empty subscriber.
"""

from events.core.broker import Headers, OutgoingRecord, Record
from events.core.envelope import Envelope

type Extra = dict[str, object]


def extra(record: Record | OutgoingRecord, envelope: Envelope | None = None, *, subscriber: str = "") -> Extra:
    """Event id, type and key, the place in Kafka, the subscriber. An outgoing record has a topic and no place yet."""
    place = record.place if isinstance(record, Record) else None
    return {
        "event_id": envelope.id if envelope else _header(record.headers, "ce_id"),
        "event_type": envelope.type if envelope else _header(record.headers, "ce_type"),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "topic": record.topic,
        "partition": place.partition if place else None,
        "offset": place.offset if place else None,
        "subscriber": subscriber,
    }


def _header(headers: Headers, name: str) -> str | None:
    value = next((value for key, value in reversed(headers) if key == name), None)
    return None if value is None else value.decode(errors="replace")
