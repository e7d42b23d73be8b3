"""The whole conversation between Quotes and Likes: four events, all keyed by the quote.

    Quotes ── QuoteCreated, QuoteUpdated, QuoteDeleted ──> topic "quotes" ──> Likes
    Quotes <── topic "likes" <─────────────────────────────── QuoteLiked ──── Likes

The key keeps the events of one quote in order within a topic. Between the two topics there is no order: no subscriber
may need one. The services have users of their own, so a user travels by name, never by number.
"""

from events import Event


class QuoteCreated(Event, topic="quotes", key="quote_id"):
    """A quote was added to Quotes."""

    quote_id: int
    title: str


class QuoteUpdated(Event, topic="quotes", key="quote_id"):
    """The text of a quote was changed. `title` is the new one."""

    quote_id: int
    title: str


class QuoteDeleted(Event, topic="quotes", key="quote_id"):
    """A quote was removed from Quotes, with its likes."""

    quote_id: int


class QuoteLiked(Event, topic="likes", key="quote_id"):
    """A user of Likes liked a quote, for the first time."""

    quote_id: int
    username: str
