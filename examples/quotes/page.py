"""`/`, the live page: quotes with their likes, and the events that passed. Reads and likes without JavaScript too."""

from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from examples.models import PassedEvent
from examples.pages import guarded, with_policy
from examples.quotes.models import Quote, QuoteLike

SIZE = 20
PASSED = 40


@require_safe
@guarded
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The page. A `?page=` that is none shows the nearest one: a link must not break when quotes go."""
    quotes = Paginator(Quote.objects.all(), SIZE).get_page(request.GET.get("page"))
    likes = likes_url()
    context = {
        "quotes": quotes,
        "pages": quotes.paginator.get_elided_page_range(quotes.number, on_each_side=1, on_ends=1),
        "newest": Quote.objects.values_list("pk", flat=True).first() or 0,
        "passed": PassedEvent.objects.all()[:PASSED],
        "liked": _liked_by(request, [quote.pk for quote in quotes]),
        "likes_url": likes,
        "likes_elsewhere": bool(urlsplit(likes).netloc),
        "streams": isinstance(request, ASGIRequest),
    }
    response = render(request, "quotes/page.html", context)
    return with_policy(response, beside=_origin(likes))


def likes_url() -> str:
    """Where Likes answers, without a slash at the end: `LIKES_URL`, else in this process, else nothing."""
    if given := getattr(settings, "LIKES_URL", ""):
        return str(given).rstrip("/")
    if apps.is_installed("examples.likes"):
        return reverse("likes:quotes").removesuffix("/quotes/")
    return ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _liked_by(request: HttpRequest, quote_ids: list[int]) -> set[Any]:
    username = request.user.get_username()
    if not username:
        return set()
    return set(QuoteLike.objects.filter(username=username, quote__in=quote_ids).values_list("quote_id", flat=True))
