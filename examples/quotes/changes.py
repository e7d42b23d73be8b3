"""What can happen to a quote: each change and its event in one transaction.

The JSON API, the admin and the import all come through here, so no change stays unsaid.
"""

from django.db import transaction

from events.publishing import publish, publish_many
from examples.contracts import QuoteCreated, QuoteDeleted, QuoteUpdated
from examples.quotes.models import Quote


class KnownTitle(Exception):
    """Another quote has this text already. `quote` is that one."""

    def __init__(self, quote: Quote) -> None:
        super().__init__(f"Quote {quote.pk} has this title already.")
        self.quote = quote


def add_quote(title: str) -> Quote:
    """Add a quote with a cleaned title. Raises `KnownTitle`."""
    new = Quote.of(title)
    with transaction.atomic():
        quote, created = Quote.objects.get_or_create(fingerprint=new.fingerprint, defaults={"title": title})
        if not created:
            raise KnownTitle(quote)
        publish(QuoteCreated(quote_id=quote.pk, title=quote.title))
    return quote


def change_quote(quote_id: int, title: str) -> Quote:
    """Give a quote another cleaned title. Raises `Quote.DoesNotExist`, `KnownTitle`.

    The row is locked first: so the events of one quote are published in the order of its changes.
    """
    with transaction.atomic():
        quote = Quote.objects.select_for_update().get(pk=quote_id)
        if quote.title != title:
            _retitle(quote, title)
            publish(QuoteUpdated(quote_id=quote.pk, title=quote.title))
    return quote


def remove_quote(quote_id: int) -> None:
    """Remove a quote and its likes. Raises `Quote.DoesNotExist`."""
    with transaction.atomic():
        Quote.objects.select_for_update().get(pk=quote_id).delete()
        publish(QuoteDeleted(quote_id=quote_id))


def add_quotes(titles: list[str]) -> int:
    """Add those of the cleaned titles that are not known, in one transaction. Returns how many were new.

    Raises `IntegrityError` when somebody else added one of them meanwhile; nothing was added then.
    """
    with transaction.atomic():
        wanted = {quote.fingerprint: quote for quote in map(Quote.of, titles)}
        known = set(Quote.objects.filter(fingerprint__in=wanted).values_list("fingerprint", flat=True))
        new = [quote for fingerprint, quote in wanted.items() if fingerprint not in known]
        Quote.objects.bulk_create(new)
        _publish_created(new)
    return len(new)


def _publish_created(new: list[Quote]) -> None:
    """Publish the new ones. They are read again: not every database gives ids back from a bulk insert."""
    rows = Quote.objects.filter(fingerprint__in=[quote.fingerprint for quote in new]).order_by("pk")
    publish_many(QuoteCreated(quote_id=quote.pk, title=quote.title) for quote in rows)


def _retitle(quote: Quote, title: str) -> None:
    new = Quote.of(title)
    other = Quote.objects.filter(fingerprint=new.fingerprint).exclude(pk=quote.pk).first()
    if other is not None:
        raise KnownTitle(other)
    quote.title, quote.fingerprint = new.title, new.fingerprint
    quote.save(update_fields=["title", "fingerprint", "updated_at"])
