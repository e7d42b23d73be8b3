"""What Likes does when Quotes says something: it keeps its copies.

Each may come again, and an update may come before what it updates: an upsert takes both. A created event never
overwrites: whatever is here already is the same text or a newer one.
"""

from events import subscriber
from examples.contracts import QuoteCreated, QuoteDeleted, QuoteUpdated
from examples.likes.models import KnownQuote
from examples.models import PassedEvent


@subscriber(QuoteCreated, group="likes")
def remember_quote(event: QuoteCreated) -> None:
    """Make the copy."""
    PassedEvent.note(event, group="likes")
    KnownQuote.objects.get_or_create(pk=event.quote_id, defaults={"title": event.title})


@subscriber(QuoteUpdated, group="likes")
def correct_quote(event: QuoteUpdated) -> None:
    """Bring the copy up to date."""
    PassedEvent.note(event, group="likes")
    KnownQuote.objects.update_or_create(pk=event.quote_id, defaults={"title": event.title})


@subscriber(QuoteDeleted, group="likes")
def forget_quote(event: QuoteDeleted) -> None:
    """Drop the copy and who liked it."""
    PassedEvent.note(event, group="likes")
    KnownQuote.objects.filter(pk=event.quote_id).delete()
