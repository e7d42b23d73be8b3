"""The admin: a change there is published like any other, and copies are to look at only."""

import pytest

from events.models import OutboxRecord
from examples.likes.models import KnownQuote
from examples.quotes.models import Quote

pytestmark = pytest.mark.django_db


def test_quotes_are_added_changed_and_removed_with_their_events(admin_client):
    admin_client.post("/admin/quotes/quote/add/", {"title": "one"})
    quote = Quote.objects.get()
    admin_client.post(f"/admin/quotes/quote/{quote.pk}/change/", {"title": "two"})
    assert Quote.objects.get().title == "two"

    admin_client.post(f"/admin/quotes/quote/{quote.pk}/delete/", {"post": "yes"})

    assert not Quote.objects.exists()
    assert OutboxRecord.objects.count() == 3


def test_many_are_removed_with_one_event_each(admin_client):
    Quote.objects.bulk_create([Quote.of("one"), Quote.of("two")])
    chosen = [quote.pk for quote in Quote.objects.all()]

    admin_client.post("/admin/quotes/quote/", {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    assert not Quote.objects.exists()
    assert OutboxRecord.objects.count() == 2


@pytest.mark.parametrize("title", ["one", " one ", "", "a\x07b"])
def test_what_the_api_refuses_the_admin_refuses(admin_client, title):
    Quote.of("one").save()

    answer = admin_client.post("/admin/quotes/quote/add/", {"title": title})

    assert answer.status_code == 200
    assert Quote.objects.count() == 1


@pytest.mark.parametrize("model", ["quotes/quote", "likes/knownquote", "likes/like", "examples/passedevent"])
def test_every_list_opens(admin_client, model):
    assert admin_client.get(f"/admin/{model}/").status_code == 200


def test_copies_are_not_changed_by_hand(admin_client):
    KnownQuote.objects.create(pk=7, title="first")

    assert admin_client.post("/admin/likes/knownquote/7/change/", {"title": "x"}).status_code == 403
    assert admin_client.get("/admin/likes/knownquote/add/").status_code == 403
