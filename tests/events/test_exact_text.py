"""Names that differ in case or accent only: nothing of one is taken for the other's, on any database."""

import dataclasses

import pytest

from events import Event, inbox, outbox
from events.core.broker import Record
from events.dead_letters import bury, letter
from tests.effects import dead
from tests.events.relaying import publish_all, rows

LIKE_ONE_ANOTHER = ["shop/resume", "shop/Resume", "shop/résumé"]


class Lower(Event, topic="exact-text", key="key"):
    key: str


class Upper(Event, topic="Exact-Text", key="key"):
    key: str


def test_each_subscriber_has_its_own_number(outbox_database):
    inbox._numbers.clear()

    numbers = {inbox.subscriber_number(name) for name in LIKE_ONE_ANOTHER}

    assert len(numbers) == len(LIKE_ONE_ANOTHER)
    inbox._numbers.clear()


@pytest.mark.parametrize("field", ["topic", "group", "subscriber"])
def test_a_record_of_each_is_buried(outbox_database, field):
    record = Record("resume", 3, 9, b"k", b"value", ())
    for name in ("resume", "Resume"):
        names = {"group": "likes", "subscriber": "count"} | ({field: name} if field != "topic" else {})
        one = dataclasses.replace(record, topic=name) if field == "topic" else record
        bury(letter(one, **names).failed_with(ValueError("no"), reason="failed"))

    assert {getattr(row, field) for row in dead()} == {"resume", "Resume"}


def test_a_topic_that_is_left_out_or_refused_holds_back_no_other(outbox_database):
    publish_all(outbox_database, Upper(key="k"), Lower(key="k"))
    assert [row.topic for row in outbox.oldest(10, 10_000, without={"Exact-Text"})] == ["exact-text"]

    outbox.refuse(rows(outbox_database)[0], "no")

    assert [row.topic for row in outbox.oldest(10, 10_000)] == ["exact-text"]
