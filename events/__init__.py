"""Kafka events inside Django: the public names, which are declarations only and so importable anywhere.

`publish` and `send` touch the database and the producer; they live in `events.publishing`.
"""

from events.core.envelope import Envelope, envelope_of
from events.core.errors import EventsError, Reject, Retry
from events.core.event import Event
from events.core.registry import subscriber

__all__ = ["Envelope", "Event", "EventsError", "Reject", "Retry", "envelope_of", "subscriber"]
