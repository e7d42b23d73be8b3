"""What this example does when a quote is liked: each web process tells its own sockets."""

from channels.layers import get_channel_layer

from events import subscriber
from examples.contracts import QuoteLiked
from examples.with_channels.quote_likes import group_of


@subscriber(QuoteLiked, broadcast=True)
async def push_like(event: QuoteLiked) -> None:
    """Tell the sockets of the quote. Every process runs it for itself, so the layer needs to reach no other."""
    told = {"type": "quote.liked", "username": event.username}
    await get_channel_layer().group_send(group_of(event.quote_id), told)
