"""`Envelope`: an event on its way, with what identifies it; and which envelopes are being handled right now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from events.core.broker import Place
from events.core.event import Event


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event and its identity, as CloudEvents 1.0 names it.

    `id` and `source` together are unique. `time` is the call of `publish`, None where a foreign producer gave none.
    `key` is the record's key as text. `place` is where the record stands in Kafka.
    """

    event: Event
    id: str
    type: str
    source: str
    time: datetime | None
    key: str | None
    place: Place
    traceparent: str | None = None


_handled: ContextVar[Sequence[Envelope]] = ContextVar("kafka_events_handled", default=())


@contextmanager
def handling(envelopes: Sequence[Envelope]) -> Iterator[None]:
    """While the block runs, `envelope_of` finds these envelopes, in this context and in threads that copy it."""
    token = _handled.set(envelopes)
    try:
        yield
    finally:
        _handled.reset(token)


def envelope_of(event: Event) -> Envelope:
    """The envelope of an event that is being handled: its id, time, key and place.

    Call it inside a subscriber with the event that the subscriber was given. Raises `LookupError` elsewhere.
    """
    for envelope in _handled.get():
        if envelope.event is event:
            return envelope
    raise LookupError("envelope_of() knows only the events that a subscriber is handling right now.")


def current_traceparent() -> str | None:
    """The W3C trace context of the event being handled, so that events published meanwhile pass it on."""
    return next((envelope.traceparent for envelope in _handled.get()), None)
