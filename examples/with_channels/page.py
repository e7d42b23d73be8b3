"""`/sockets/`: the newest quotes with their likes, kept by a socket each, and an echo."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from examples.pages import guarded
from examples.quotes.models import Quote, QuoteLike
from examples.with_channels.echo import LIMIT

SHOWN = 5
"""Quotes on the page: each has a socket of its own."""


@require_safe
@guarded
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The page. It reads and likes without JavaScript, too."""
    quotes = list(Quote.objects.all()[:SHOWN])
    liked = QuoteLike.objects.filter(username=request.user.get_username(), quote__in=quotes)
    context = {"quotes": quotes, "liked": set(liked.values_list("quote_id", flat=True)), "limit": LIMIT}
    return render(request, "with_channels/page.html", context)
