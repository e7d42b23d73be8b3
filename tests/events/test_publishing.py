"""`publish` and `apublish`: in the caller's transaction, or not at all. On SQLite, PostgreSQL and MariaDB."""

import asyncio
from contextlib import suppress

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections, transaction
from django.test import TestCase

from events import Event
from events.conf import config
from events.core.errors import InvalidEvent, NotInTransaction
from events.core.nudge import listening
from events.models import OutboxRecord
from events.publishing import aatomic, apublish, publish, publish_many


class Published(Event, topic="publishing-tests", key="number"):
    number: int


class Written(Event, topic="publishing-tests"):
    text: str


def published(alias):
    return [row.event_id for row in OutboxRecord.objects.using(alias).order_by("id")]


def test_a_commit_leaves_one_row_with_the_id_that_publish_returned(outbox_database):
    with transaction.atomic(using=outbox_database):
        id = publish(Published(number=1))

    [row] = OutboxRecord.objects.using(outbox_database)
    assert row.event_id == id
    assert (row.topic, bytes(row.key), row.attempts) == ("publishing-tests", b"1", 0)
    assert row.record().value == b'{"number":1}'
    assert dict(row.record().headers)["ce_id"] == str(id).encode()


def test_a_rollback_leaves_none(outbox_database):
    with suppress(ZeroDivisionError), transaction.atomic(using=outbox_database):
        publish(Published(number=1))
        raise ZeroDivisionError

    assert published(outbox_database) == []


def test_a_rolled_back_savepoint_takes_only_its_own_events_along(outbox_database):
    with transaction.atomic(using=outbox_database):
        kept = publish(Published(number=1))
        with suppress(ZeroDivisionError), transaction.atomic(using=outbox_database):
            publish(Published(number=2))
            raise ZeroDivisionError

    assert published(outbox_database) == [kept]


def test_many_may_be_larger_together_than_a_statement_may_be(outbox_database):
    texts = [letter * 1_000_000 for letter in "abcdefghijklmnopqrs"]  # MariaDB takes 16 MiB

    with transaction.atomic(using=outbox_database):
        ids = publish_many(Written(text=text) for text in texts)

    assert published(outbox_database) == ids
    assert len(ids) == len(texts)


def test_many_with_one_that_cannot_be_sent_leave_none(outbox_database):
    with transaction.atomic(using=outbox_database), pytest.raises(InvalidEvent):
        publish_many([*(Written(text="a" * 1_000_000) for _ in range(3)), Written(text="b" * 2_000_000)])

    assert published(outbox_database) == []


def test_many_keep_their_order(outbox_database):
    with transaction.atomic(using=outbox_database):
        ids = publish_many(Published(number=number) for number in range(300))

    assert published(outbox_database) == ids


def test_outside_a_transaction_it_says_what_to_do(outbox_database):
    with pytest.raises(NotInTransaction) as raised:
        publish(Published(number=1))

    assert f"with transaction.atomic(using='{outbox_database}')" in str(raised.value)
    assert f"async with aatomic(using='{outbox_database}')" in str(raised.value)
    assert published(outbox_database) == []


def test_a_transaction_on_another_database_does_not_count(outbox_database, settings, tmp_path):
    connections.settings["another"] = connections.configure_settings(
        {"default": {}, "another": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "another.sqlite3"}}
    )["another"]

    with transaction.atomic(using="another"), pytest.raises(NotInTransaction):
        publish(Published(number=1))

    connections["another"].close()
    del connections["another"], connections.settings["another"]


def test_an_event_that_nobody_could_decode_is_not_published(outbox_database):
    with transaction.atomic(using=outbox_database), pytest.raises(InvalidEvent):
        publish(Published(number="one"))

    assert published(outbox_database) == []


def test_an_event_that_is_too_large_to_be_sent_is_not_published(outbox_database):
    with transaction.atomic(using=outbox_database), pytest.raises(InvalidEvent, match="the most is 1048576"):
        publish(Written(text="x" * 1_048_576))

    assert published(outbox_database) == []


def test_the_producers_own_limit_decides_what_is_too_large(outbox_database, settings):
    settings.EVENTS = {**settings.EVENTS, "PRODUCER": {"max_request_size": 1000}}

    with transaction.atomic(using=outbox_database):
        id = publish(Written(text="x" * 500))
        with pytest.raises(InvalidEvent, match="the most is 1000.*max_request_size"):
            publish(Written(text="x" * 1000))

    assert published(outbox_database) == [id]


def test_the_relay_is_nudged_after_the_commit_and_not_before(outbox_database):
    nudges = []

    with listening(lambda: nudges.append(published(outbox_database))), transaction.atomic(using=outbox_database):
        id = publish(Published(number=1))
        assert nudges == []

    assert nudges == [[id]]


def test_a_prefix_goes_before_the_topic(outbox_database, settings):
    settings.EVENTS = {**settings.EVENTS, "PREFIX": "staging."}

    with transaction.atomic(using=outbox_database):
        publish(Published(number=1))

    assert OutboxRecord.objects.using(outbox_database).get().topic == "staging.publishing-tests"


class InsideTestCase(TestCase):
    """Django's TestCase is one transaction, and `publish` works in it."""

    def test_it_publishes(self):
        with self.captureOnCommitCallbacks(execute=True):
            publish(Published(number=1))

        assert OutboxRecord.objects.count() == 1


async def _publish_in_a_context(number, *, fails=False):
    async with ThreadSensitiveContext():
        try:
            async with aatomic(using=config().DATABASE):
                await apublish(Published(number=number))
                await asyncio.sleep(0.01)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        finally:
            await sync_to_async(connections.close_all)()


async def test_apublish_outside_a_transaction_says_what_to_do(outbox_database):
    async with ThreadSensitiveContext():
        with pytest.raises(NotInTransaction, match="async with aatomic"):
            await apublish(Published(number=1))
        await sync_to_async(connections.close_all)()


async def test_five_at_once_each_have_their_own_transaction(outbox_database, database_thread):
    await asyncio.gather(*(_publish_in_a_context(number, fails=number % 2 == 1) for number in range(5)))

    def keys():
        return sorted(bytes(row.key) for row in OutboxRecord.objects.using(outbox_database))

    assert await database_thread.run(keys) == [b"0", b"2", b"4"]
