"""What is written of a record that was given up on, on SQLite and PostgreSQL."""

import dataclasses

import pytest

from events.core.broker import Record
from events.dead_letters import bury, letter
from tests.effects import dead

pytestmark = pytest.mark.usefixtures("outbox_database")

RECORD = Record("quotes", 3, 9, b"k", b"value", (("ce_id", b"1"), ("null", None)))


def test_a_record_is_buried_once():
    for _ in range(2):
        bury(letter(RECORD, group="likes", subscriber="count").failed_with(ValueError("no"), reason="failed"))

    (row,) = dead()
    assert (row.event_id, row.error_message, row.record().headers) == ("1", "no", RECORD.headers)


def test_what_the_database_refuses_for_its_content_is_buried_bare():
    row = letter(RECORD, group="likes", subscriber="count").failed_with(ValueError("no"), reason="failed", attempts=5)
    row.error_message = row.traceback = "\0"  # PostgreSQL has no such text
    row.headers = [["h", "\ud800"]]  # SQLite neither
    row.event_id = "\ud800"

    bury(row)

    (kept,) = dead()
    assert (kept.key, bytes(kept.value), kept.headers, kept.event_id) == (b"k", b"value", [], "")
    assert (kept.reason, kept.attempts, kept.error_type) == ("failed", 5, "builtins.ValueError")
    assert (kept.topic, kept.partition, kept.offset) == ("quotes", 3, 9)


def test_another_record_at_the_same_place_of_a_topic_made_anew_is_buried_too():
    anew = dataclasses.replace(RECORD, value=b"other", timestamp_ms=RECORD.timestamp_ms + 1)

    for record in (RECORD, anew):
        bury(letter(record, group="likes", subscriber="count").failed_with(ValueError("no"), reason="failed"))

    assert {row.record().value for row in dead()} == {b"value", b"other"}
