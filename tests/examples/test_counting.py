"""Quotes counts likes: once for each user, whatever arrives; and keeps at most so many rows of passed events."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events import envelope_of
from examples import models
from examples.contracts import QuoteLiked
from examples.models import PassedEvent
from examples.quotes.models import Quote, QuoteLike
from examples.quotes.subscribers import count_like
from tests.examples.conftest import handle, passing

pytestmark = pytest.mark.django_db


@pytest.fixture
def quote():
    new = Quote.of("Know thyself — Thales")
    new.save()
    return new


def likes(quote):
    quote.refresh_from_db()
    return quote.like_count


def test_each_user_counts_once(quote):
    for username in ("ada", "bob", "ada"):
        handle(count_like, QuoteLiked(quote_id=quote.pk, username=username))

    assert likes(quote) == 2
    assert set(QuoteLike.objects.values_list("username", flat=True)) == {"ada", "bob"}


def test_a_like_for_a_quote_that_is_gone_is_no_fault():
    handle(count_like, QuoteLiked(quote_id=7, username="ada"))

    assert not QuoteLike.objects.exists()
    assert PassedEvent.objects.get().type == "QuoteLiked"


def test_a_like_leaves_a_row_for_the_page(quote):
    handle(count_like, QuoteLiked(quote_id=quote.pk, username="ada"))

    row = PassedEvent.objects.get()
    assert (row.type, row.key, row.group) == ("QuoteLiked", str(quote.pk), "quotes")


def test_old_rows_are_pruned(monkeypatch):
    monkeypatch.setattr(models, "KEPT", 10)
    monkeypatch.setattr(models, "PRUNED_EVERY", 5)

    with passing(QuoteLiked(quote_id=7, username="ada")) as event:
        last = [PassedEvent.note(event, group="quotes").pk for _ in range(40)][-1]

    assert 10 <= PassedEvent.objects.count() < 15
    assert PassedEvent.objects.first().pk == last


def test_an_event_without_a_time_has_no_duration():
    assert PassedEvent(effect_at=timezone.now()).milliseconds is None


@pytest.mark.parametrize(("seconds", "took"), [(0.0324, "32 ms"), (1.9, "1900 ms")])
def test_a_duration_is_told_in_milliseconds(seconds, took):
    passed = lasted(seconds)

    assert (passed.took, passed.waited) == (took, "")


@pytest.mark.parametrize(
    ("seconds", "took"),
    [(2, "2 s"), (12.4, "12 s"), (130, "2 min"), (5999, "100 min"), (7200, "2 h"), (10**7, "2,778 h")],
)
def test_an_event_that_stood_still_is_said_to_have_waited(seconds, took):
    passed = lasted(seconds)

    assert passed.took == f"waited {took}"
    assert "in the outbox" in passed.waited


def lasted(seconds):
    now = timezone.now()
    return PassedEvent(published_at=now, effect_at=now + timedelta(seconds=seconds))


def test_clocks_that_differ_make_no_negative_duration():
    with passing(QuoteLiked(quote_id=7, username="ada")) as event:
        published = envelope_of(event).time

    assert PassedEvent(published_at=timezone.now(), effect_at=published).milliseconds == 0
