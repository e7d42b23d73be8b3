"""`Entry`: one row for each time that a quote was handled. No constraint: a repeat would be seen."""

from django.db import models


class Entry(models.Model):
    """A quote that was created, as it was handled."""

    quote_id = models.BigIntegerField()

    def __str__(self):
        return str(self.quote_id)
