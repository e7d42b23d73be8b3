"""The API: the permissions list, its pages, the user of Django's session, and a like that is an event."""

import pytest
from django.contrib.auth.models import Permission, User

from events.models import OutboxRecord
from examples.likes.models import KnownQuote, Like

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_the_permissions_are_those_that_django_lists(caller, way):
    answer = await caller.get(f"/api/permissions/{way}")

    assert answer.json() == (await caller.get("/permissions/sync/")).json()
    assert len(answer.json()["items"]) == await Permission.objects.acount() > 20


async def test_the_pages_of_the_api_know_where_they_are_mounted(caller):
    page = await caller.get("/api/docs")
    described = await caller.get("/api/openapi.json")

    assert "'/api/openapi.json'" in page.text
    assert described.json()["servers"] == [{"url": "/api"}]
    assert "/permissions/async" in described.json()["paths"]
    assert "Django's session" in described.json()["components"]["securitySchemes"]


@pytest.mark.parametrize("address", ["/api", "/api/nothing"])
async def test_the_api_answers_for_all_that_lies_below_its_mount(caller, address):
    answer = await caller.get(address)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_who_is_signed_in_to_django_is_known_here(browser):
    assert (await browser.get("/api/me")).json() == {"username": "ada"}


@pytest.mark.parametrize("key", ["", "nobody-has-this-one", "\x00"])
async def test_without_a_session_of_django_nobody_is_signed_in(caller, key):
    answer = await caller.get("/api/me", headers={"Cookie": f"sessionid={key}"} if key else {})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Session")


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}])
async def test_who_may_no_longer_sign_in_is_nobody_here_too(browser, change):
    await User.objects.aupdate(**change)

    assert (await browser.get("/api/me")).status_code == 401


async def test_a_like_is_a_row_and_an_event(browser, token):
    await KnownQuote.objects.acreate(pk=7, title="Know thyself.")

    answer = await browser.post("/api/quotes/7/like", headers=token)

    assert (answer.status_code, answer.json()) == (201, {"quote_id": 7, "username": "ada"})
    assert await Like.objects.filter(quote=7, user__username="ada").aexists()
    record = await OutboxRecord.objects.aget()
    assert (record.topic, bytes(record.key)) == ("likes", b"7")


async def test_a_second_like_is_refused_and_published_no_more(browser, token):
    await KnownQuote.objects.acreate(pk=7, title="Know thyself.")
    await browser.post("/api/quotes/7/like", headers=token)

    answer = await browser.post("/api/quotes/7/like", headers=token)

    assert answer.status_code == 409
    assert await OutboxRecord.objects.acount() == 1


@pytest.mark.parametrize(("quote", "status"), [("8", 404), ("0", 422), (str(2**63), 422), ("one", 422)])
async def test_what_cannot_be_liked_is_refused(browser, token, quote, status):
    assert (await browser.post(f"/api/quotes/{quote}/like", headers=token)).status_code == status


@pytest.mark.parametrize("headers", [{}, {"X-CSRFToken": "a" * 32}, {"Origin": "https://elsewhere.example"}])
async def test_what_a_foreign_page_starts_is_refused(browser, token, headers):
    await KnownQuote.objects.acreate(pk=7, title="Know thyself.")
    forged = headers if "X-CSRFToken" in headers or not headers else token | headers

    answer = await browser.post("/api/quotes/7/like", headers=forged)

    assert answer.status_code == 403
    assert "X-CSRFToken" in answer.json()["detail"]
    assert not await Like.objects.aexists()


async def test_a_form_cannot_break_the_look_at_the_token(browser, token):
    await KnownQuote.objects.acreate(pk=7, title="Know thyself.")
    form = {"Content-Type": "multipart/form-data; boundary=none"}

    answer = await browser.post("/api/quotes/7/like", headers=token | form, content=b"csrfmiddlewaretoken=1")

    assert answer.status_code == 201


async def test_a_host_that_is_not_ours_is_refused(browser, settings):
    settings.ALLOWED_HOSTS = ["quotes.example"]

    assert (await browser.get("/api/me")).status_code == 400


async def test_a_like_by_a_stranger_is_401_before_anything_else(caller, token):
    assert (await caller.post("/api/quotes/7/like", headers=token)).status_code == 401
