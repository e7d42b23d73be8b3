"""The tables: each row gives back the record that it was given, on SQLite, PostgreSQL and MariaDB."""

from io import StringIO

import pytest
from django.core.management import call_command

from events.core.broker import OutgoingRecord, Record
from events.models import HeldRecord, OutboxRecord

ID = b"0199f3a0-0000-7000-8000-000000000001"
ODD = (
    ("ce_id", ID),
    ("null", None),
    ("twice", b"1"),
    ("twice", b"2"),
    ("odd", b"\xff\x00"),
    ("nul", b"\0"),
    ("é", "é".encode()),
    ("😀", "😀".encode()),
)


@pytest.mark.django_db
def test_the_migrations_are_complete():
    call_command("makemigrations", "kafka_events", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00key"])
def test_an_outbox_row_gives_the_record_back(outbox_database, key):
    record = OutgoingRecord("quotes", key, b'{"a": "\\u0000"}\xff', ODD)

    OutboxRecord.holding(record).save(using=outbox_database)

    row = OutboxRecord.objects.using(outbox_database).get()
    assert row.record() == record
    assert str(row.event_id).encode() == ID


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (b"\xff\x00", b"\x00\xff")])
def test_a_held_row_gives_the_record_back(outbox_database, key, value):
    record = Record("quotes", 3, 2**40, key, value, ODD, 1_700_000_000_000)

    HeldRecord.holding(record, group="likes").failed_with(ValueError("no"), reason="json").save(using=outbox_database)

    back = HeldRecord.objects.using(outbox_database).get().record()
    fields = ("topic", "partition", "offset", "key", "value", "headers", "timestamp_ms")
    assert [getattr(back, name) for name in fields] == [getattr(record, name) for name in fields]


def test_an_error_of_any_text_is_kept_short_and_storable(outbox_database):
    def deep(level):
        if not level:
            raise ValueError("nul \0, half \ud800, long " + "x" * 5000)
        deep(level - 1)

    headers = (("ce_id", b"\xff\0" * 300), ("ce_type", b"t" * 999))
    row = HeldRecord.holding(Record("quotes", 0, 0, None, b"", headers), group="likes", subscriber="count")
    try:
        deep(200)
    except ValueError as error:
        row.failed_with(error, reason="failed", attempts=5)
    row.save(using=outbox_database)

    kept = HeldRecord.objects.using(outbox_database).get()
    assert (kept.state, kept.reason, kept.attempts, kept.subscriber) == ("dead", "failed", 5, "count")
    assert kept.error_type == "builtins.ValueError"
    assert kept.error_message.startswith("nul �, half ?, long xxx")
    assert len(kept.error_message) == 1000
    assert len(kept.traceback) == 4000
    assert len(kept.event_id) == len(kept.event_type) == 255
