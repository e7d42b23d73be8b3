"""The live page as HTML: what a reader gets before any script runs."""

import re
from datetime import timedelta

import pytest

from examples.contracts import QuoteLiked
from examples.models import PassedEvent
from examples.quotes.models import Quote, QuoteLike
from tests.examples.conftest import passing

pytestmark = pytest.mark.django_db


@pytest.fixture
def quote():
    new = Quote.of("Know <b>thyself</b> & others — Thales")
    new.like_count = 3
    new.save()
    return new


def html(client, address="/"):
    return client.get(address).content.decode()


def test_the_page_reads_without_a_script(client, quote):
    with passing(QuoteLiked(quote_id=quote.pk, username="ada")) as event:
        PassedEvent.note(event, group="quotes")

    page = html(client)

    assert "<blockquote>Know &lt;b&gt;thyself&lt;/b&gt; &amp; others</blockquote>" in page
    assert ">Thales</figcaption>" in page
    assert '<span class="number">3</span>' in page
    assert "QuoteLiked" in page


def test_an_event_that_waited_says_why_to_who_points_at_it(client):
    with passing(QuoteLiked(quote_id=7, username="ada"), took=timedelta(hours=5)) as event:
        PassedEvent.note(event, group="quotes")

    page = client.get("/").content.decode()

    assert re.search(r'<span class="took" title="It waited: [^"]+">waited 5 h</span>', page)


def test_the_policy_is_strict_and_the_page_obeys_it(client, quote, ada):
    client.force_login(ada)

    answer = client.get("/")
    page = answer.content.decode()

    assert answer["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?://", page)


def test_nobody_signed_in_is_led_to_sign_in(client, quote):
    page = html(client)

    assert "/login/?next=/" in page
    assert "<form" not in page


def test_who_is_signed_in_may_like_and_add(client, quote, ada):
    client.force_login(ada)

    page = html(client)

    assert f'action="/likes/quotes/{quote.pk}/like/"' in page
    assert 'id="add"' in page
    assert 'aria-pressed="false"' in page


def test_what_one_likes_already_shows(client, quote, ada):
    QuoteLike.objects.create(quote=quote, username="ada")
    client.force_login(ada)

    assert 'aria-pressed="true"' in html(client)


def test_likes_elsewhere_are_listed_in_the_policy(client, quote, ada, settings):
    settings.LIKES_URL = "https://likes.example/api/"
    client.force_login(ada)

    answer = client.get("/")

    assert f'action="https://likes.example/api/quotes/{quote.pk}/like/"' in answer.content.decode()
    assert "connect-src 'self' https://likes.example;" in answer["Content-Security-Policy"]


def test_alone_without_an_address_of_likes_there_is_no_button(client, quote, ada, monkeypatch):
    monkeypatch.setattr("examples.quotes.page.apps.is_installed", lambda app: False)
    client.force_login(ada)

    page = html(client)

    assert 'class="like"' not in page
    assert "LIKES_URL" in page


@pytest.mark.parametrize(("asked", "shown"), [("1", 1), ("3", 3), ("99", 3), ("x", 1), ("-1", 3), ("", 1)])
def test_thousands_of_quotes_come_in_pages(client, asked, shown):
    Quote.objects.bulk_create(Quote.of(f"quote {number}") for number in range(45))

    assert f'data-page="{shown}"' in html(client, f"/?page={asked}")


def test_an_empty_page_says_how_to_fill_it(client):
    assert "import_quotes" in html(client)


def test_the_page_is_not_written_to(client):
    assert client.post("/").status_code == 405
