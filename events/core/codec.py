"""An event ⇄ a record: CloudEvents 1.0 on Kafka.

Written is the binary mode: the value is the event as JSON, `ce_*` headers say the rest. Read is the structured mode
too: the value is a JSON object with `data`. The batch mode does not exist for Kafka.
Source: CloudEvents 1.0, Kafka protocol binding, sections 3.1 to 3.3.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from events.core.broker import OutgoingRecord, Record
from events.core.envelope import Envelope, current_traceparent
from events.core.errors import InvalidEvent, Undecodable
from events.core.event import Event, declaration, field_names
from events.core.identity import event_id, uuid7
from events.core.moments import naive_moments
from events.core.registry import EventClass, Registry, registry

JSON = b"application/json"
STRUCTURED = b"application/cloudevents"


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A record whose type nobody here wants: skipped and counted."""

    type: str


@dataclass(frozen=True, slots=True)
class Codec:
    """Turns events into records and back. `source`: our `ce_source`. `prefix`: goes before every topic."""

    source: str
    prefix: str = ""
    registry: Registry = field(default=registry)

    def encode(self, event: Event) -> OutgoingRecord:
        """The outgoing record of an event, with a new id and the time of now.

        Raises `InvalidEvent` for what is no event, and when a field does not fit the class, so that no subscriber
        meets what it cannot decode.
        """
        if not isinstance(event, Event):
            raise InvalidEvent(_no_event(event))
        said = declaration(type(event))
        if said.topic is None:
            raise InvalidEvent(f"{type(event).__name__} has no topic: class {type(event).__name__}(Event, topic=...).")
        return OutgoingRecord(
            topic=self.prefix + said.topic,
            key=_key(event, said.key),
            value=_value(event),
            headers=_headers(self.source, said.type),
        )

    def decode(self, record: Record, wanted: Collection[EventClass] | None = None) -> Envelope | Unwanted:
        """The envelope of a record. Raises `Undecodable` for what must go to the dead letters.

        `wanted`: the classes that a group subscribes to; any other one is unwanted. None wants all declared ones.
        """
        attributes, data = _structured(record) if _is_structured(record) else (_binary(record), record.value)
        event_class = self._event_class(record, attributes.get("type"))
        if event_class is None or (wanted is not None and event_class not in wanted):
            return Unwanted(attributes.get("type", ""))
        return _envelope(record, attributes, event=_decode(data, event_class))

    def _event_class(self, record: Record, type: str | None) -> EventClass | None:
        topic = record.topic.removeprefix(self.prefix)
        if type:
            return self.registry.find(topic, type)
        candidates = self.registry.of_topic(topic)
        if len(candidates) != 1:
            raise Undecodable("untyped", f"No ce_type, and the topic has {len(candidates)} event classes here.")
        return candidates[0]


def _no_event(given: object) -> str:
    what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
    return f"publish() and send() take an event, such as QuoteCreated(...), not {what}."


def _key(event: Event, field_name: str | None) -> bytes | None:
    value = getattr(event, field_name) if field_name else None
    return None if value is None else str(value).encode()


def _value(event: Event) -> bytes:
    """The event as JSON, decoded once: msgspec checks types only when it decodes, and a subscriber must not be the
    first to find out. 0.5 us, beside the 370 us of the outbox row."""
    try:
        value = msgspec.json.encode(event)
        arrives = msgspec.json.decode(value, type=type(event))
    except (TypeError, ValueError) as error:  # msgspec's own errors are ValueErrors
        raise InvalidEvent(f"{type(event).__name__}: {error}") from error
    if arrives != event:
        raise InvalidEvent(f"{type(event).__name__}: {_differences(event, arrives)}")
    if naive := naive_moments(event):
        raise InvalidEvent(
            f"{type(event).__name__}: {', '.join(naive)} must have a time zone: readers elsewhere could only guess it. "
            "Use django.utils.timezone.now() or datetime.now(UTC)."
        )
    return value


def _differences(event: Event, arrives: Event) -> str:
    pairs = {name: (getattr(event, name), getattr(arrives, name)) for name in field_names(type(event))}
    kinds = (
        f"{name} is {type(before).__name__}, but arrives as {type(after).__name__}"
        for name, (before, after) in pairs.items()
        if before != after
    )
    return "; ".join(kinds)


def _headers(source: str, type: str) -> tuple[tuple[str, bytes], ...]:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    traceparent = current_traceparent()
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid7()).encode()),
        ("ce_source", source.encode()),
        ("ce_type", type.encode()),
        ("ce_time", now.encode()),
        ("content-type", JSON),
        *((("traceparent", traceparent.encode()),) if traceparent else ()),
    )


def _is_structured(record: Record) -> bool:
    return (record.header("content-type") or b"").lower().startswith(STRUCTURED)


def _binary(record: Record) -> dict[str, str]:
    given = ((name[3:], value) for name, value in record.headers if name.startswith("ce_"))
    return {name: value.decode(errors="replace") for name, value in given if value is not None}


def _structured(record: Record) -> tuple[dict[str, str], msgspec.Raw]:
    try:
        whole = msgspec.json.decode(record.value or b"", type=dict[str, msgspec.Raw])
    except ValueError as error:
        raise Undecodable("json", f"The structured CloudEvent is not a JSON object: {error}") from error
    if "data" not in whole:
        raise Undecodable("mode", "The structured CloudEvent has no `data`.")
    texts = {name: _text(raw) for name, raw in whole.items() if name not in ("data", "data_base64")}
    return {name: text for name, text in texts.items() if text is not None}, whole["data"]


def _text(raw: msgspec.Raw) -> str | None:
    value = msgspec.json.decode(raw)
    return value if isinstance(value, str) else None


def _decode(data: Any, event_class: EventClass) -> Event:
    try:
        return msgspec.json.decode(data or b"", type=event_class)
    except msgspec.ValidationError as error:
        raise Undecodable("schema", f"The value does not fit {event_class.__name__}: {error}") from error
    except ValueError as error:
        raise Undecodable("json", f"The value is not JSON: {error}") from error


def _id_of_place(record: Record) -> str:
    """For a record without `ce_id`. With its time: when a topic is made anew, its offsets begin again."""
    return f"{record.place}@{record.timestamp_ms}"


def _envelope(record: Record, attributes: Mapping[str, str], *, event: Event) -> Envelope:
    traceparent = record.header("traceparent")
    return Envelope(
        event=event,
        id=attributes.get("id") or _id_of_place(record),
        type=declaration(type(event)).type,
        source=attributes.get("source", ""),
        time=_time(attributes.get("time")),
        key=None if record.key is None else record.key.decode(errors="replace"),
        place=record.place,
        traceparent=traceparent.decode(errors="replace") if traceparent else None,
    )


def _time(text: str | None) -> datetime | None:
    """A moment with its time zone. One without, which CloudEvents forbids and some producers write, is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def inbox_id(envelope: Envelope) -> uuid.UUID:
    """The id under which the inbox remembers an event, of 16 bytes whatever the producer's own ids look like."""
    return event_id(envelope.id, envelope.source)
