"""FastStream's subscriber, on FastStream's own test broker: what it writes, what it sends, and what it leaves open."""

import threading

import pytest
from django.db import connection
from faststream.kafka import KafkaBroker, TestKafkaBroker

from examples.models import PassedEvent
from examples.with_faststream import broker as module
from examples.with_faststream.broker import broker_at

pytestmark = pytest.mark.django_db(transaction=True)

CREATED = {
    "ce_specversion": "1.0",
    "ce_id": "0190",
    "ce_source": "quotes",
    "ce_type": "QuoteCreated",
    "ce_time": "2026-01-01T12:00:00Z",
}


@pytest.fixture
def sent(monkeypatch):
    """What is published to `likes`: body, key and headers."""
    records, real = [], KafkaBroker.publish

    async def publish(self, message, topic="", **options):
        if topic.endswith("likes"):
            records.append((message, options["key"], options["headers"]))
        return await real(self, message, topic, **options)

    monkeypatch.setattr(KafkaBroker, "publish", publish)
    return records


@pytest.fixture
async def broker(sent):
    """The broker, without a Kafka."""
    async with TestKafkaBroker(broker_at("localhost:9092")) as broker:
        yield broker


async def created(broker, **headers):
    """Let the subscriber have a record of this quote."""
    await broker.publish({"quote_id": 7, "title": "Know thyself."}, "quotes", key=b"7", headers=CREATED | headers)


async def test_a_new_quote_is_noted_and_liked(broker, sent):
    await created(broker)

    row = await PassedEvent.objects.aget()
    assert (row.type, row.key, row.group) == ("QuoteCreated", "7", "faststream")
    body, key, headers = sent[0]
    assert (body, key) == ({"quote_id": 7, "username": "faststream"}, b"7")
    assert (headers["ce_type"], headers["ce_id"]) == ("QuoteLiked", "0190-liked")


async def test_the_same_record_again_is_noted_once_and_sent_with_the_same_id(broker, sent):
    await created(broker)
    await created(broker)

    assert await PassedEvent.objects.acount() == 1
    assert [headers["ce_id"] for _, _, headers in sent] == ["0190-liked"] * 2


async def test_other_events_of_the_topic_are_passed_over(broker, sent):
    await created(broker, ce_type="QuoteUpdated")

    assert sent == []
    assert not await PassedEvent.objects.aexists()


async def test_the_thread_of_the_async_orm_is_tidied_before_and_after_each_record(broker, monkeypatch):
    tidied = []
    monkeypatch.setattr(module, "close_old_connections", lambda: tidied.append(threading.current_thread()))
    used = await module.sync_to_async(lambda: (connection.alias, threading.current_thread()))()

    await created(broker)

    assert tidied == [used[1]] * 2


async def test_the_prefix_stands_before_topics_and_group(settings):
    settings.EVENTS = {**settings.EVENTS, "PREFIX": "staging."}

    subscriber = broker_at("localhost:9092").subscribers[0]

    assert subscriber.topic_names_for_subscribe == ["staging.quotes"]
    assert subscriber.group_id == "staging.faststream"
