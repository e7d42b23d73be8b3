"""Quotes' JSON: `/quotes/`, `/quotes/<id>/`, and for staff `/users/`, `/users/<id>/`.

Anyone may read, anyone who is known may write.
"""

from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse

from examples.body import body_of
from examples.callers import caller, staff
from examples.endpoint import endpoint
from examples.paging import paged_answer
from examples.quotes.changes import KnownTitle, add_quote, change_quote, remove_quote
from examples.quotes.models import Quote
from examples.quotes.text import UnusableText, cleaned
from examples.refusal import Refused, answer


class QuoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller sends to add or change a quote."""

    title: str


def list_quotes(request: HttpRequest) -> HttpResponse:
    """All quotes, newest first, in pages."""
    return paged_answer(request, Quote.objects.all(), show=_shown)


def create_quote(request: HttpRequest) -> HttpResponse:
    """Add a quote: 201, or 409 when its text is known."""
    caller(request)
    title = _title_of(request)
    try:
        quote = add_quote(title)
    except KnownTitle as known:
        raise _conflict(known) from None
    return answer(_shown(quote), status=201, headers={"Location": f"{request.path.rstrip('/')}/{quote.pk}/"})


def show_quote(request: HttpRequest, quote_id: int) -> HttpResponse:
    """One quote."""
    quote = Quote.objects.filter(pk=quote_id).first()
    if quote is None:
        raise _unknown(quote_id)
    return answer(_shown(quote))


def replace_quote(request: HttpRequest, quote_id: int) -> HttpResponse:
    """Change the text of a quote."""
    caller(request)
    title = _title_of(request)
    try:
        return answer(_shown(change_quote(quote_id, title)))
    except Quote.DoesNotExist:
        raise _unknown(quote_id) from None
    except KnownTitle as known:
        raise _conflict(known) from None
    except IntegrityError:  # somebody else took the text between our look and our write
        raise Refused(409, "Another quote has this title since a moment ago.", "Send another title.") from None


def delete_quote(request: HttpRequest, quote_id: int) -> HttpResponse:
    """Remove a quote with its likes: 204."""
    caller(request)
    try:
        remove_quote(quote_id)
    except Quote.DoesNotExist:
        raise _unknown(quote_id) from None
    return HttpResponse(status=204)


def list_users(request: HttpRequest) -> HttpResponse:
    """All users, for staff."""
    staff(request)
    return paged_answer(request, User.objects.order_by("pk"), show=_shown_user)


def show_user(request: HttpRequest, user_id: int) -> HttpResponse:
    """One user, for staff."""
    staff(request)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Refused(404, f"There is no user {user_id}.", "Use an id that GET /users/ gives.")
    return answer(_shown_user(user))


quotes = endpoint(GET=list_quotes, POST=create_quote)
quote = endpoint(GET=show_quote, PUT=replace_quote, DELETE=delete_quote)
users = endpoint(GET=list_users)
user = endpoint(GET=show_user)


def _title_of(request: HttpRequest) -> str:
    try:
        return cleaned(body_of(request, QuoteBody).title)
    except UnusableText as error:
        raise Refused(422, f"`$.title`: {error}.", "Send a title of 1 to 2,000 characters.") from None


def _shown(quote: Quote) -> dict[str, Any]:
    return {
        "id": quote.pk,
        "title": quote.title,
        "like_count": quote.like_count,
        "created_at": quote.created_at,
        "updated_at": quote.updated_at,
    }


def _shown_user(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "username": user.username,
        "is_staff": user.is_staff,
        "is_active": user.is_active,
        "date_joined": user.date_joined,
    }


def _unknown(quote_id: int) -> Refused:
    return Refused(404, f"There is no quote {quote_id}.", "Use an id that GET /quotes/ gives.")


def _conflict(known: KnownTitle) -> Refused:
    return Refused(409, str(known), f"Send another title, or use /quotes/{known.quote.pk}/.")
