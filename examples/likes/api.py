"""Likes' JSON: its copies at `/quotes/` and `/quotes/<id>/`, `POST /quotes/<id>/like/`; for staff `/quoteusers/`."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

from events.publishing import publish
from examples.body import refuse_large_form
from examples.callers import caller, staff
from examples.contracts import QuoteLiked
from examples.endpoint import endpoint
from examples.likes.models import KnownQuote, Like
from examples.paging import paged_answer
from examples.refusal import Refused, answer

COPIES = "These are Likes' copies: they follow the events of Quotes, where a quote is changed."
FORM = "application/x-www-form-urlencoded"


def list_copies(request: HttpRequest) -> HttpResponse:
    """All copies, newest first, in pages."""
    return paged_answer(request, KnownQuote.objects.all(), show=_shown)


def show_copy(request: HttpRequest, quote_id: int) -> HttpResponse:
    """One copy."""
    quote = KnownQuote.objects.filter(pk=quote_id).first()
    if quote is None:
        raise _unknown(quote_id)
    return answer(_shown(quote))


def like_quote(request: HttpRequest, quote_id: int) -> HttpResponse:
    """Like a quote: 201, or 409 the second time. A form (a browser without JavaScript) is sent back to its page."""
    from_form = _comes_as_form(request)
    user = caller(request)
    new = _like(quote_id, user)
    if from_form:
        return HttpResponseRedirect(_page_of_form(request))
    if not new:
        raise Refused(409, f"{user.get_username()} likes quote {quote_id} already.", "Once is enough: do nothing.")
    return answer({"quote_id": quote_id, "username": user.get_username()}, status=201)


def list_likes(request: HttpRequest) -> HttpResponse:
    """Who liked what, newest first, for staff."""
    staff(request)
    return paged_answer(request, Like.objects.select_related("user"), show=_shown_like)


copies = endpoint(GET=list_copies, reason=COPIES)
copy = endpoint(GET=show_copy, reason=COPIES)
like = endpoint(POST=like_quote)
likes = endpoint(GET=list_likes)


def _like(quote_id: int, user: User) -> bool:
    """Whether the like is new. The copy is locked first, so that it cannot be forgotten meanwhile."""
    with transaction.atomic():
        quote = KnownQuote.objects.select_for_update().filter(pk=quote_id).first()
        if quote is None:
            raise _unknown(quote_id)
        _, new = Like.objects.get_or_create(quote=quote, user=user)
        if new:
            publish(QuoteLiked(quote_id=quote_id, username=user.get_username()))
    return new


def _comes_as_form(request: HttpRequest) -> bool:
    """Whether a browser's form came. Refused (415): any other body but JSON, which is not read: nothing is in it."""
    if request.content_type == FORM and request.headers.get("Content-Length") != "0":
        refuse_large_form(request)
        return True
    if request.content_type in ("", "application/json", FORM):
        return False
    raise Refused(415, f"The content type is {request.content_type!r}.", "Send no body at all.")


def _page_of_form(request: HttpRequest) -> str:
    page = request.POST.get("next", "/")
    return page if url_has_allowed_host_and_scheme(page, {request.get_host()}) else "/"


def _shown(quote: KnownQuote) -> dict[str, Any]:
    return {"id": quote.pk, "title": quote.title, "known_since": quote.known_since}


def _shown_like(like: Like) -> dict[str, Any]:
    return {"quote_id": like.quote_id, "username": like.user.get_username(), "liked_at": like.liked_at}


def _unknown(quote_id: int) -> Refused:
    change = "Use an id that GET /quotes/ gives; a quote added a moment ago may still be on its way here."
    return Refused(404, f"Likes knows no quote {quote_id}.", change)
