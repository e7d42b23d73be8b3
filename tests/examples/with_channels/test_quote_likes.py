"""The socket of a quote: who may open it, and how many likes it tells, whatever was counted meanwhile."""

import asyncio

import pytest
from channels.exceptions import ChannelFull
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError

from examples.quotes.models import Quote, QuoteLike
from examples.with_channels import quote_likes
from examples.with_channels.quote_likes import group_of, likes_of
from tests.examples.with_channels.conftest import browser, in_thread
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def count(quote, *usernames):
    """As Quotes counts likes."""
    for username in usernames:
        QuoteLike.objects.create(quote=quote, username=username)
    Quote.objects.filter(pk=quote.pk).update(like_count=quote.likes.count())


def like(layer, quote, username):
    """As `push_like` tells of a like."""
    return layer.group_send(group_of(quote.pk), {"type": "quote.liked", "username": username})


async def test_it_tells_the_likes_at_first_and_each_that_comes(quote, session, layer):
    await in_thread(count, quote, "bob")
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        assert await socket.open() == (True, None)
        assert await socket.said() == {"id": quote.pk, "likes": 1}

        await like(layer, quote, "carol")

        assert await socket.said() == {"id": quote.pk, "likes": 2, "username": "carol"}


async def test_what_is_counted_without_a_push_is_told_when_it_looks_again(quote, session, monkeypatch):
    monkeypatch.setattr(quote_likes, "LOOK_SOON_S", (0.01,))
    monkeypatch.setattr(quote_likes, "LOOK_S", 0.01)
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        assert await socket.said() == {"id": quote.pk, "likes": 0}

        await in_thread(count, quote, "bob")  # heard before the socket opened
        assert await socket.said() == {"id": quote.pk, "likes": 1}
        await in_thread(count, quote, "carol")

        assert await socket.said() == {"id": quote.pk, "likes": 2}  # and nothing else in between


async def test_it_looks_no_more_once_it_is_left(quote, session, monkeypatch):
    monkeypatch.setattr(quote_likes, "LOOK_S", 0.01)
    before = asyncio.all_tasks()

    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        await socket.said()

    await until(lambda: asyncio.all_tasks() <= before)


async def test_a_socket_whose_layer_is_full_looks_again_later(quote, session, layer, monkeypatch):
    monkeypatch.setattr(quote_likes, "LOOK_SOON_S", (0.01,))
    monkeypatch.setattr(quote_likes, "LOOK_S", 0.01)
    send, refused = layer.send, []

    async def full_at_first(*arguments):
        if not refused:
            refused.append(arguments)
            raise ChannelFull
        await send(*arguments)

    monkeypatch.setattr(layer, "send", full_at_first)
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        await socket.said()
        await until(lambda: refused)

        await in_thread(count, quote, "bob")

        assert await socket.said() == {"id": quote.pk, "likes": 1}


async def test_two_sockets_of_a_quote_are_told_and_that_of_another_is_not(quote, session, layer):
    other = Quote.of("Another")
    await other.asave()
    paths = [f"/ws/quotes/{one.pk}/" for one in (quote, quote, other)]
    async with (
        browser(paths[0], session=session) as first,
        browser(paths[1], session=session) as second,
        browser(paths[2], session=session) as third,
    ):
        for socket in (first, second, third):
            await socket.open()
            await socket.said()

        await like(layer, quote, "bob")
        await like(layer, other, "carol")

        assert [(await socket.said())["username"] for socket in (first, second, third)] == ["bob", "bob", "carol"]


async def test_nobody_is_told_where_nobody_is_signed_in(quote):
    async with browser(f"/ws/quotes/{quote.pk}/") as socket:
        assert await socket.open() == (True, None)  # accepted, so that a browser is shown the code

        assert await socket.code() == 4401


@pytest.mark.parametrize("session", ["", "x" * 32, "Ü\x7f", "a" * 5000])
async def test_a_session_that_is_none_is_nobodys(quote, session):
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()

        assert await socket.code() == 4401


async def test_a_session_that_ended_is_nobodys(quote, session):
    await Session.objects.all().adelete()
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()

        assert await socket.code() == 4401


async def test_a_refused_socket_hears_nothing(quote, layer):
    async with browser(f"/ws/quotes/{quote.pk}/") as socket:
        await socket.open()
        await socket.code()

        await like(layer, quote, "bob")

        assert group_of(quote.pk) not in layer.groups
        assert await socket.receive_nothing()


@pytest.mark.parametrize("quote_id", ["4711", "0", "9223372036854775807", "9" * 40])
async def test_an_unknown_quote_is_refused(session, quote_id):
    async with browser(f"/ws/quotes/{quote_id}/", session=session) as socket:
        await socket.open()

        assert await socket.code() == 4404


async def test_a_quote_that_is_gone_closes_its_sockets_at_the_next_like(quote, session, layer):
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        await socket.said()
        await Quote.objects.all().adelete()

        await like(layer, quote, "bob")

        assert await socket.code() == 4404


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/quotes/x/", "/ws/quotes/-1/", "/ws/echo", "/ws/echo/more/"])
async def test_another_address_is_refused_before_the_socket_is_open(session, path):
    async with browser(path, session=session) as socket:
        assert (await socket.open())[0] is False


@pytest.mark.parametrize("origin", ["http://evil.example", "http://testserver.evil.example", "null", None])
async def test_another_origin_is_refused_before_the_socket_is_open(quote, session, origin):
    for path in ("/ws/echo/", f"/ws/quotes/{quote.pk}/"):
        async with browser(path, session=session, origin=origin) as socket:
            assert (await socket.open())[0] is False


@pytest.mark.parametrize("kind", [DatabaseError, InterfaceError])
async def test_a_database_that_is_away_closes_the_socket_for_a_while(quote, session, monkeypatch, caplog, kind):
    def away(quote_id, heard):
        raise kind("gone")

    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        monkeypatch.setattr(quote_likes, "likes_of", away)

        await socket.open()

        assert await socket.code() == 1013
    assert "does not answer" in caplog.text


async def test_what_a_browser_sends_is_ignored(quote, session):
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        await socket.said()

        await socket.send_to('{"type": "quote.liked", "username": "mallory"}')

        assert await socket.receive_nothing()


async def test_a_socket_that_is_left_is_in_no_group(quote, session, layer):
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        assert len(layer.groups) == 2

    assert layer.groups == {}


@pytest.mark.parametrize(
    ("counted", "heard", "likes"),
    [
        ([], [], 0),
        (["bob"], [], 1),
        ([], ["bob"], 1),
        (["bob"], ["bob"], 1),
        (["bob", "carol"], ["carol", "dave"], 3),
        (["bob", "carol"], ["dave", "erin"], 4),
    ],
)
def test_a_like_is_counted_once_whether_quotes_has_counted_it_or_not(quote, counted, heard, likes):
    count(quote, *counted)

    assert likes_of(quote.pk, set(heard)) == likes


def test_who_was_heard_is_forgotten_once_all_are_counted(quote):
    heard = {"bob", "carol"}
    count(quote, "bob")
    likes_of(quote.pk, heard)
    assert heard == {"bob", "carol"}

    count(quote, "carol")
    assert likes_of(quote.pk, heard) == 2

    assert heard == set()


def test_who_is_never_counted_is_forgotten_too(quote, monkeypatch):
    monkeypatch.setattr(quote_likes, "MOST_HEARD", 2)
    heard = {"bob", "carol", "dave"}

    likes_of(quote.pk, heard)

    assert heard == set()
