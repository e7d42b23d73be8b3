"""`PassedEvent`: one row for each event that was handled, for the list on the live page.

Both services write it through `PassedEvent.note`, inside the transaction of the subscriber: the row is there if and
only if the effect is. Run together they share one table, so the page shows both; alone each has its own.
"""

from typing import Self

from django.db import models
from django.utils import timezone

from events import Event, envelope_of

WAITED = 2000.0
"""Milliseconds from which on a duration says nothing of the way through Kafka: the event stood still somewhere."""

KEPT = 1000
"""So many rows are kept."""

PRUNED_EVERY = 100
"""Pruning at every row would cost as much as the row itself: so the table grows to KEPT + PRUNED_EVERY at most."""


class PassedEvent(models.Model):
    """An event that had its effect. Times are aware; `published_at` is None where a foreign producer gave no time."""

    type = models.CharField(max_length=100)
    key = models.CharField(max_length=100)
    group = models.CharField(max_length=100, help_text="The service that handled it.")
    published_at = models.DateTimeField(null=True)
    effect_at = models.DateTimeField(db_index=True)

    class Meta:
        """Newest first."""

        ordering = ["-effect_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.type} {self.key}"

    @property
    def milliseconds(self) -> float | None:
        """How long it took from `publish()` to the effect. Never negative: clocks of two machines may differ."""
        if self.published_at is None:
            return None
        return round(max(0.0, (self.effect_at - self.published_at).total_seconds() * 1000), 1)

    @property
    def took(self) -> str:
        """The same for a reader: `32 ms`, from `WAITED` on `waited 3 s`, or a dash where it is not known."""
        if self.milliseconds is None:
            return "–"
        return f"waited {_long(self.milliseconds / 1000)}" if self.waited else f"{self.milliseconds:.0f} ms"

    @property
    def waited(self) -> str:
        """Where the time went, for an event that waited; else nothing."""
        if self.milliseconds is None or self.milliseconds < WAITED:
            return ""
        return "It waited: in the outbox while nothing sent it, in Kafka while nothing handled it, or for a retry."

    @classmethod
    def note(cls, event: Event, *, group: str) -> Self:
        """Write the row for an event that a subscriber of `group` is handling right now."""
        envelope = envelope_of(event)
        row = cls.objects.create(
            type=envelope.type,
            key=envelope.key or "",
            group=group,
            published_at=envelope.time,
            effect_at=timezone.now(),
        )
        if row.pk % PRUNED_EVERY == 0:
            cls.objects.filter(pk__lte=row.pk - KEPT).delete()
        return row


def _long(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"
