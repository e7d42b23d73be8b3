"""The stream of the live page: what it tells, from where it resumes, and when it ends."""

import asyncio
import json
import re
import threading
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError
from django.test import AsyncClient
from django.utils import timezone

import lifespan
from examples.models import PassedEvent
from examples.quotes import live
from examples.quotes.models import Quote

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(live, "INTERVAL", 0.02)


@pytest.fixture
def quote():
    new = Quote.of("Know thyself — Thales")
    new.save()
    return new


def passed(seconds_ago=0.0, key="7", now=None):
    when = (now or timezone.now()) - timedelta(seconds=seconds_ago)
    return PassedEvent.objects.create(
        type="QuoteLiked", key=key, group="quotes", published_at=when - timedelta(milliseconds=30), effect_at=when
    )


class Reader:
    """Reads one stream event by event: `(name, data, id)`."""

    def __init__(self, answer):
        self.answer, self.chunks, self.rest, self.comments = answer, aiter(answer.streaming_content), "", 0

    async def next(self, name=None):
        async with asyncio.timeout(10):
            while True:
                while "\n\n" not in self.rest:
                    self.rest += (await anext(self.chunks)).decode()
                block, self.rest = self.rest.split("\n\n", 1)
                self.comments += block.startswith(":")
                fields = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
                if "event" in fields and name in (None, fields["event"]):
                    return fields["event"], json.loads(fields["data"]), fields.get("id")

    async def end(self):
        async with asyncio.timeout(10):
            async for _ in self.chunks:
                pass

    async def close(self):
        await self.chunks.aclose()


async def reading(query="", **headers):
    answer = await AsyncClient().get(f"/live/{query}", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/event-stream"
    return Reader(answer)


async def test_a_shown_quote_is_told_at_first_and_at_each_change(quote):
    reader = await reading(f"?quotes={quote.pk}")
    assert await reader.next("quote") == (
        "quote",
        {"id": quote.pk, "likes": 0, "words": "Know thyself", "author": "Thales"},
        None,
    )

    await Quote.objects.filter(pk=quote.pk).aupdate(like_count=1)
    assert (await reader.next("quote"))[1]["likes"] == 1

    await Quote.objects.filter(pk=quote.pk).aupdate(title="Know others")
    assert (await reader.next("quote"))[1]["words"] == "Know others"

    await Quote.objects.filter(pk=quote.pk).adelete()
    assert (await reader.next("quote"))[1] == {"id": quote.pk, "gone": True}
    await reader.close()


async def test_newer_quotes_are_counted(quote):
    reader = await reading(f"?newest={quote.pk}")

    await Quote.of("another").asave()

    assert await reader.next() == ("newer", {"count": 1}, None)
    await reader.close()


async def test_an_event_that_passes_is_told_once_with_its_duration():
    reader = await reading()

    row = await sync_to_async(passed)()
    name, data, _ = await reader.next()
    later = await sync_to_async(passed)(key="8")

    assert (name, data) == (
        "passed",
        {"id": row.pk, "type": "QuoteLiked", "key": "7", "group": "quotes", "took": "30 ms", "waited": ""},
    )
    assert (await reader.next())[1]["id"] == later.pk
    await reader.close()


async def test_an_event_that_commits_after_a_later_one_is_told_too():
    reader = await reading()
    await sync_to_async(passed)()
    await reader.next("passed")

    late = await sync_to_async(passed)(seconds_ago=3)

    assert (await reader.next("passed"))[1]["id"] == late.pk
    await reader.close()


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_resumed_stream_begins_five_seconds_before_what_was_seen_last(by_header):
    now = timezone.now()  # of all rows: they are seconds apart, however long it takes to write them
    rows = [await sync_to_async(passed)(seconds_ago, now=now) for seconds_ago in (90, 64, 60, 10)]
    seen = int(rows[2].effect_at.timestamp() * 1_000_000)

    reader = await (reading(**{"Last-Event-ID": str(seen)}) if by_header else reading(f"?after={seen}"))

    assert [(await reader.next("passed"))[1]["id"] for _ in range(3)] == [row.pk for row in rows[1:]]
    await reader.close()


async def test_each_event_carries_the_id_to_resume_at():
    row = await sync_to_async(passed)()
    reader = await reading()

    _, _, seen = await reader.next("passed")

    assert int(seen) == pytest.approx(row.effect_at.timestamp() * 1_000_000, abs=1)
    await reader.close()


@pytest.mark.parametrize("seen", ["x", "-1", "9" * 18, "9" * 40, "99999999999999999", "0", "²"])
async def test_an_id_that_makes_no_sense_counts_as_none(seen):
    reader = await reading(**{"Last-Event-ID": seen.encode().decode("latin-1")})

    row = await sync_to_async(passed)()

    assert (await reader.next("passed"))[1]["id"] == row.pk
    await reader.close()


@pytest.mark.parametrize(
    "query", ["?quotes=x,,-1," + "9" * 30, "?newest=x", "?quotes=" + ",".join(map(str, range(500)))]
)
async def test_an_address_that_makes_no_sense_does_no_harm(query):
    reader = await reading(query)

    await sync_to_async(passed)()

    assert (await reader.next("passed"))[0] == "passed"
    await reader.close()


async def test_silence_is_broken_by_a_comment(monkeypatch):
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)
    reader = await reading()

    async with asyncio.timeout(10):
        while reader.comments < 2:
            chunk = (await anext(reader.chunks)).decode()
            reader.comments += chunk.startswith(":")

    await reader.close()


async def test_the_stream_ends_when_the_process_drains():
    run = lifespan.Run()
    await run.start()
    reader = await reading()
    await sync_to_async(passed)()
    await reader.next("passed")
    ending = asyncio.create_task(reader.end())

    run.draining.set()

    await ending
    await run.finish()


async def test_the_stream_ends_when_the_client_leaves():
    reader = await reading()
    ending = asyncio.create_task(reader.end())
    await asyncio.sleep(0)

    ending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await ending


@pytest.mark.parametrize("kind", [DatabaseError, InterfaceError])
async def test_a_database_that_is_away_ends_the_stream_and_the_page_comes_again(kind, monkeypatch, caplog):
    def away(watch):
        raise kind("gone")

    monkeypatch.setattr(live, "look", away)

    await (await reading()).end()

    assert "does not answer" in caplog.text


async def test_no_client_holds_a_connection_between_two_looks(monkeypatch):
    threads = set()
    look = live.look

    def seen(watch):
        threads.add(threading.current_thread().name)
        return look(watch)

    monkeypatch.setattr(live, "look", seen)
    readers = [await reading() for _ in range(12)]
    await sync_to_async(passed)()

    for reader in readers:
        await reader.next("passed")
        await reader.close()

    assert len(threads) <= 4
    assert all(name.startswith("live") for name in threads)


def test_without_asgi_a_reader_is_told_not_to_come_back(client):
    assert client.get("/live/").status_code == 204


async def test_the_stream_is_only_read():
    assert (await AsyncClient().post("/live/")).status_code == 405


async def test_who_asks_for_the_head_alone_gets_an_end():
    answer = await AsyncClient().head("/live/")

    assert (answer.status_code, answer["Content-Type"], answer.streaming) == (200, "text/event-stream", False)
