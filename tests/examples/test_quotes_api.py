"""Quotes' JSON: what it does, and what it answers to everything that it cannot do."""

import json

import pytest

from events.models import OutboxRecord
from examples.quotes.models import Quote
from tests.examples.conftest import post

pytestmark = pytest.mark.django_db


def test_a_new_quote_is_kept_and_published(script):
    answer = post(script, "/quotes/")

    assert answer.status_code == 201
    assert answer.json()["title"] == "Know thyself — Thales"
    assert answer.json()["like_count"] == 0
    assert answer["Location"] == f"/quotes/{answer.json()['id']}/"
    assert script.get(answer["Location"]).json() == answer.json()
    assert OutboxRecord.objects.get().topic == "quotes"


def test_a_changed_quote_is_published(script):
    quote_id = post(script, "/quotes/").json()["id"]

    answer = post(script, f"/quotes/{quote_id}/", "Know others — Laozi", "PUT")

    assert answer.status_code == 200
    assert answer.json()["title"] == "Know others — Laozi"
    assert json.loads(bytes(OutboxRecord.objects.last().value))["title"] == "Know others — Laozi"


def test_the_same_text_again_changes_and_publishes_nothing(script):
    quote_id = post(script, "/quotes/").json()["id"]

    answer = post(script, f"/quotes/{quote_id}/", method="PUT")

    assert answer.status_code == 200
    assert OutboxRecord.objects.count() == 1


def test_a_removed_quote_is_gone_and_published(script):
    quote_id = post(script, "/quotes/").json()["id"]

    answer = script.delete(f"/quotes/{quote_id}/")

    assert answer.status_code == 204
    assert script.get(f"/quotes/{quote_id}/").status_code == 404
    assert OutboxRecord.objects.count() == 2


def test_an_address_works_without_its_last_slash(script):
    assert post(script, "/quotes").status_code == 201


BAD_BODIES = [
    (b"{", 400, "not JSON"),
    (b" ", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b'{"title": "\xff"}', 400, "not JSON"),
    (b"[" * 60_000, 422, "Expected `object`"),
    (b'{"title": "a"} x', 400, "not JSON"),
    (b"[]", 422, "Expected `object`"),
    (b"{}", 422, "`title`"),
    (b'{"title": 5}', 422, "`$.title`"),
    (b'{"title": null}', 422, "`$.title`"),
    (b'{"title": "a", "likes": 5}', 422, "`likes`"),
    (b'{"title": ""}', 422, "empty"),
    (b'{"title": " "}', 422, "empty"),
    (b'{"title": "\\u0000"}', 422, "U+0000"),
    (b'{"title": "' + b"x" * 2001 + b'"}', 422, "2,001"),
    (b'{"title": "' + b"x" * 70_000 + b'"}', 413, "65,536"),
]


@pytest.mark.parametrize(("body", "status", "why"), BAD_BODIES)
def test_a_bad_body_is_refused_with_what_to_change(script, body, status, why):
    answer = script.post("/quotes/", body, content_type="application/json")

    assert answer.status_code == status
    assert why in answer.json()["error"]
    assert answer.json()["change"]
    assert not Quote.objects.exists()
    assert not OutboxRecord.objects.exists()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(script, kind):
    answer = script.post("/quotes/", b'{"title": "a"}', content_type=kind)

    assert answer.status_code == 415
    assert "application/json" in answer.json()["change"]


def test_a_known_title_is_refused_and_named(script):
    quote_id = post(script, "/quotes/").json()["id"]

    answer = post(script, "/quotes/", "  Know   thyself — Thales")

    assert answer.status_code == 409
    assert f"/quotes/{quote_id}/" in answer.json()["change"]
    assert OutboxRecord.objects.count() == 1


def test_a_change_to_a_known_title_is_refused(script):
    post(script, "/quotes/", "First")
    second = post(script, "/quotes/", "Second").json()["id"]

    assert post(script, f"/quotes/{second}/", "First", "PUT").status_code == 409


@pytest.mark.parametrize("quote_id", ["7", "0", "-1", "abc", "1.5", "9" * 18, "9" * 19, "9" * 40, "²"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_none_is_not_found(script, quote_id, method):
    answer = post(script, f"/quotes/{quote_id}/", method=method)

    assert answer.status_code == 404
    assert answer.json()["change"]


@pytest.mark.parametrize(
    ("address", "method", "allowed"),
    [("/quotes/", "DELETE", "GET, POST, HEAD, OPTIONS"), ("/quotes/1/", "POST", "GET, PUT, DELETE, HEAD, OPTIONS")],
)
def test_another_method_is_refused_with_those_that_are_possible(script, address, method, allowed):
    answer = script.generic(method, address)

    assert answer.status_code == 405
    assert answer["Allow"] == allowed
    assert allowed in answer.json()["change"]


def test_options_tells_the_methods(stranger):
    answer = stranger.options("/quotes/")

    assert (answer.status_code, answer["Allow"]) == (204, "GET, POST, HEAD, OPTIONS")


def test_the_list_comes_in_pages(stranger):
    Quote.objects.bulk_create(Quote.of(f"quote {number}") for number in range(45))

    answer = stranger.get("/quotes/?page=3&size=20").json()

    assert (answer["count"], answer["page"], answer["pages"], answer["size"]) == (45, 3, 3, 20)
    assert [quote["title"] for quote in answer["results"]] == [f"quote {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=", "size=0", "size=101", "size=1e3", "page=" + "9" * 50]
)
def test_a_page_that_cannot_be_is_refused(stranger, query):
    answer = stranger.get(f"/quotes/?{query}")

    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


@pytest.mark.parametrize("query", ["limit=5", "page=1&offset=2", "pagesize"])
def test_what_the_list_does_not_know_is_refused_with_what_it_knows(stranger, query):
    answer = stranger.get(f"/quotes/?{query}")

    assert answer.status_code == 400
    assert "page and size" in answer.json()["change"]


def test_a_page_after_the_last_is_not_found(stranger):
    answer = stranger.get("/quotes/?page=2")

    assert answer.status_code == 404
    assert "?page=1" in answer.json()["change"]


def test_users_are_for_staff_and_show_no_password(script, boss, ada, client):
    assert script.get("/users/").status_code == 403
    assert client.get("/users/").status_code == 401

    client.force_login(boss)
    listed = client.get("/users/").json()["results"]
    shown = client.get(f"/users/{ada.pk}/").json()

    assert {user["username"] for user in listed} == {"ada", "boss"}
    assert shown["username"] == "ada"
    assert set(shown) == {"id", "username", "is_staff", "is_active", "date_joined"}
    assert client.get(f"/users/{max(ada.pk, boss.pk) + 1}/").status_code == 404
