"""Likes: its copies follow Quotes' events, and a like is given once."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from events.models import OutboxRecord
from examples.contracts import QuoteCreated, QuoteDeleted, QuoteUpdated
from examples.likes.models import KnownQuote, Like
from examples.likes.subscribers import correct_quote, forget_quote, remember_quote
from examples.models import PassedEvent
from tests.examples.conftest import handle, post

pytestmark = pytest.mark.django_db

CREATED = QuoteCreated(quote_id=7, title="first")
UPDATED = QuoteUpdated(quote_id=7, title="second")
DELETED = QuoteDeleted(quote_id=7)


@pytest.fixture
def known():
    return KnownQuote.objects.create(pk=7, title="first")


def titles():
    return list(KnownQuote.objects.values_list("title", flat=True))


def test_a_copy_is_made_corrected_and_dropped():
    handle(remember_quote, CREATED)
    assert titles() == ["first"]

    handle(correct_quote, UPDATED)
    assert titles() == ["second"]

    handle(forget_quote, DELETED)
    assert titles() == []


def test_events_that_come_again_change_nothing():
    for _ in range(2):
        handle(remember_quote, CREATED)
    for _ in range(2):
        handle(correct_quote, UPDATED)
    assert titles() == ["second"]

    for _ in range(2):
        handle(forget_quote, DELETED)
    assert titles() == []


def test_an_update_before_its_creation_is_taken_and_not_undone():
    handle(correct_quote, UPDATED)
    handle(remember_quote, CREATED)

    assert titles() == ["second"]


def test_each_handled_event_leaves_a_row_for_the_page():
    before = timezone.now()
    handle(remember_quote, CREATED)  # published 30 ms ago
    most = 30 + (timezone.now() - before) / timedelta(milliseconds=1)

    row = PassedEvent.objects.get()
    assert (row.type, row.key, row.group) == ("QuoteCreated", "7", "likes")
    assert 30 <= row.milliseconds <= round(most, 1)


def test_a_like_is_kept_and_published(script, ada, known):
    answer = script.generic("POST", "/likes/quotes/7/like/")

    assert answer.status_code == 201
    assert Like.objects.get().user == ada
    record = OutboxRecord.objects.get()
    assert record.topic == "likes"
    assert json.loads(bytes(record.value)) == {"quote_id": 7, "username": "ada"}


def test_a_second_like_is_refused(script, known):
    script.generic("POST", "/likes/quotes/7/like/")

    answer = script.generic("POST", "/likes/quotes/7/like/")

    assert answer.status_code == 409
    assert answer.json()["change"]
    assert OutboxRecord.objects.count() == 1


def test_an_unknown_quote_cannot_be_liked(script):
    answer = script.generic("POST", "/likes/quotes/7/like/")

    assert answer.status_code == 404
    assert "on its way" in answer.json()["change"]


def test_a_like_for_a_quote_that_was_dropped_is_not_found(script, known):
    handle(forget_quote, DELETED)

    assert script.generic("POST", "/likes/quotes/7/like/").status_code == 404


def test_dropping_a_copy_drops_its_likes(script, known):
    script.generic("POST", "/likes/quotes/7/like/")

    handle(forget_quote, DELETED)

    assert not Like.objects.exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("address", ["/likes/quotes/", "/likes/quotes/7/"])
def test_copies_are_read_only_and_say_why(script, address, method):
    answer = post(script, address, method=method)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
    assert "follow the events" in answer.json()["error"]


def test_copies_can_be_read_by_anyone(stranger, known):
    assert stranger.get("/likes/quotes/").json()["results"][0]["title"] == "first"
    assert stranger.get("/likes/quotes/7/").json()["id"] == 7
    assert stranger.get("/likes/quotes/8/").status_code == 404


def test_who_liked_what_is_for_staff(script, stranger, boss, known):
    script.generic("POST", "/likes/quotes/7/like/")
    assert script.get("/likes/quoteusers/").status_code == 403
    assert stranger.get("/likes/quoteusers/").status_code == 401

    stranger.force_login(boss)
    (row,) = stranger.get("/likes/quoteusers/").json()["results"]

    assert (row["quote_id"], row["username"]) == (7, "ada")


def like_by_form(client, ada, **fields):
    client.force_login(ada)
    token = client.get("/session/").json()["csrf_token"]
    body = "&".join(f"{name}={value}" for name, value in {"csrfmiddlewaretoken": token, **fields}.items())
    return client.post("/likes/quotes/7/like/", body, content_type="application/x-www-form-urlencoded")


def test_a_form_without_javascript_likes_and_goes_back(stranger, ada, known):
    answer = like_by_form(stranger, ada, next="/?page=2%23quote-7")

    assert answer.status_code == 302
    assert answer["Location"] == "/?page=2#quote-7"
    assert Like.objects.count() == 1


def test_a_form_never_sends_a_reader_to_another_site(stranger, ada, known):
    assert like_by_form(stranger, ada, next="https://evil.example/")["Location"] == "/"


def test_a_form_without_its_token_is_refused(stranger, ada, known):
    stranger.force_login(ada)

    answer = stranger.post("/likes/quotes/7/like/", "next=/", content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 403
    assert not Like.objects.exists()


def test_a_form_that_is_too_large_is_refused(script, known):
    answer = script.post(
        "/likes/quotes/7/like/", "next=" + "x" * 70_000, content_type="application/x-www-form-urlencoded"
    )

    assert answer.status_code == 413


def test_a_form_that_does_not_say_its_size_is_refused(script, known):
    kind = "application/x-www-form-urlencoded"

    answer = script.post("/likes/quotes/7/like/", "next=/", content_type=kind, headers={"Content-Length": ""})

    assert answer.status_code == 411


def test_another_body_is_refused(script, known):
    assert script.post("/likes/quotes/7/like/", "x", content_type="text/plain").status_code == 415


def test_a_browser_script_likes_with_the_token_in_a_header(ada, known):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    token = browser.get("/session/").json()["csrf_token"]

    answer = browser.generic("POST", "/likes/quotes/7/like/", headers={"X-CSRFToken": token})

    assert answer.status_code == 201
