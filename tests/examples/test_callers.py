"""Who may write: a session with its CSRF token, or HTTP Basic; and nobody else, whatever a foreign page tries."""

import pytest
from django.test import Client

from examples.quotes.models import Quote
from tests.examples.conftest import basic, post

pytestmark = pytest.mark.django_db

WRITES = [("POST", "/quotes/"), ("PUT", "/quotes/1/"), ("DELETE", "/quotes/1/"), ("POST", "/likes/quotes/1/like/")]


@pytest.mark.parametrize(("method", "address"), WRITES)
def test_without_a_login_nothing_is_written(stranger, method, address):
    answer = post(stranger, address, method=method)

    assert answer.status_code == 401
    assert answer.json()["change"]


def test_a_script_is_asked_for_its_password(stranger):
    assert post(stranger, "/quotes/")["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("header", ["Sec-Fetch-Mode", "Origin", "X-CSRFToken", "Cookie"])
def test_a_browser_is_not_made_to_show_its_own_dialog(header):
    browser = Client(headers={header: "x"})

    answer = post(browser, "/quotes/")

    assert answer.status_code == 401
    assert "Basic" not in answer["WWW-Authenticate"]


@pytest.mark.parametrize(
    "header",
    [
        basic("ada", "wrong"),
        basic("nobody"),
        basic("a\0b"),
        basic("ädä", "wörd"),
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic bm9jb2xvbg=="},
        {"Authorization": "Basic /////w=="},
        {"Authorization": "Bearer abc"},
    ],
)
def test_a_wrong_password_or_header_is_refused(ada, header):
    answer = post(Client(headers=header), "/quotes/")

    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer
    assert "wrong" not in str(answer.headers)


def test_a_user_who_was_switched_off_is_refused(script, ada):
    ada.is_active = False
    ada.save()

    assert post(script, "/quotes/").status_code == 401


def test_a_script_needs_no_csrf_token(script):
    assert post(script, "/quotes/").status_code == 201


def test_a_foreign_page_cannot_use_a_remembered_password(script):
    answer = script.post("/quotes/", b'{"title": "a"}', "application/json", headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert not Quote.objects.exists()


@pytest.mark.parametrize("origin", ["http://testserver", "https://listed.example"])
def test_our_own_page_and_a_listed_one_can(script, settings, origin):
    settings.CSRF_TRUSTED_ORIGINS = ["https://listed.example"]

    answer = script.post("/quotes/", b'{"title": "a"}', "application/json", headers={"Origin": origin})

    assert answer.status_code == 201


def test_a_session_needs_its_csrf_token(stranger, ada):
    stranger.force_login(ada)

    answer = post(stranger, "/quotes/")

    assert answer.status_code == 403
    assert "X-CSRFToken" in answer.json()["change"]
    assert not Quote.objects.exists()


def test_a_session_with_its_csrf_token_writes(stranger, ada):
    stranger.force_login(ada)
    session = stranger.get("/session/").json()

    answer = stranger.post(
        "/quotes/", b'{"title": "a"}', "application/json", headers={"X-CSRFToken": session["csrf_token"]}
    )

    assert session["username"] == "ada"
    assert answer.status_code == 201


def test_a_session_from_a_foreign_page_is_refused_even_with_a_token(stranger, ada):
    stranger.force_login(ada)
    token = stranger.get("/session/").json()["csrf_token"]

    answer = stranger.post(
        "/quotes/",
        b'{"title": "a"}',
        "application/json",
        headers={"X-CSRFToken": token, "Origin": "https://evil.example"},
    )

    assert answer.status_code == 403


def test_nobody_is_signed_in_at_first(stranger):
    assert stranger.get("/session/").json()["username"] is None


def test_signing_in_and_out_by_the_page(client, ada):
    wrong = client.post("/login/", {"username": "ada", "password": "wrong"})
    right = client.post("/login/?next=/%3Fpage=1", {"username": "ada", "password": "right", "next": "/?page=1"})

    assert b"wrong" in wrong.content
    assert wrong["Content-Security-Policy"].startswith("default-src 'none'")
    assert right["Location"] == "/?page=1"
    assert client.get("/session/").json()["username"] == "ada"

    client.post("/logout/")
    assert client.get("/session/").json()["username"] is None
