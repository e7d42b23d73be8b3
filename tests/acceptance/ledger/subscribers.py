"""Writes an entry for each quote. A plain insert: only the inbox keeps a repeat away."""

from events import subscriber
from examples.contracts import QuoteCreated
from tests.acceptance.ledger.models import Entry


@subscriber(QuoteCreated, group="ledger")
def enter(event: QuoteCreated) -> None:
    """One row a call."""
    Entry.objects.create(quote_id=event.quote_id)
