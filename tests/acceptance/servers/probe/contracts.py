"""The probe's one event."""

from events import Event


class Probed(Event, topic="probes", key="name"):
    """`name` says which request it came from, and how that request ended."""

    name: str
