"""What Quotes does when others say something: it counts the likes."""

import logging

from django.db.models import F

from events import subscriber
from examples.contracts import QuoteLiked
from examples.models import PassedEvent
from examples.quotes.models import Quote, QuoteLike

logger = logging.getLogger(__name__)


@subscriber(QuoteLiked, group="quotes")
def count_like(event: QuoteLiked) -> None:
    """Count a like once per user. A quote that is gone has nothing to count.

    The inbox keeps a redelivered event away; the unique row keeps a second event about the same user away.
    """
    PassedEvent.note(event, group="quotes")
    quote = Quote.objects.select_for_update().filter(pk=event.quote_id).first()
    if quote is None:
        logger.info("A like for quote %s, which is not here (any more).", event.quote_id)
        return
    _, new = QuoteLike.objects.get_or_create(quote=quote, username=event.username)
    if new:
        Quote.objects.filter(pk=quote.pk).update(like_count=F("like_count") + 1)
