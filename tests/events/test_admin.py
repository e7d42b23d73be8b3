"""The admin of outbox and held records: to read, and to delete what Kafka refuses."""

import pytest
from django.urls import reverse

from events.admin import as_json, as_text
from events.core.broker import OutgoingRecord, Record
from events.models import HeldRecord, OutboxRecord

ID = "0199f3a0-0000-7000-8000-000000000001"


@pytest.fixture
def refused(db):
    return _outbox(b"refused", attempts=3, error="too large")


@pytest.fixture
def waiting(db):
    return _outbox(b"waiting")


@pytest.fixture
def held(db):
    headers = (("ce_id", b"x"), ("odd", b"\xfe"), ("gone", None))
    record = Record("quotes", 1, 7, b"\xff\x00", b"<script>not json", headers, 5)
    row = HeldRecord.holding(record, group="likes").failed_with(ValueError("broken"), reason="json")
    row.save()
    return row


def _outbox(key, **fields):
    row = OutboxRecord.holding(OutgoingRecord("quotes", key, b'{"title":"Caf\xc3\xa9"}', (("ce_id", ID.encode()),)))
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
    return row


def page(client, model, row=None, action="change"):
    if row is None:
        return client.get(reverse(f"admin:kafka_events_{model}_changelist"))
    return client.get(reverse(f"admin:kafka_events_{model}_{action}", args=[row.pk]))


def test_the_outbox_is_listed_searched_and_read(admin_client, refused, waiting):
    listed = page(admin_client, "outboxrecord").content.decode()
    found = admin_client.get(reverse("admin:kafka_events_outboxrecord_changelist"), {"q": "too large"}).content.decode()
    by_id = admin_client.get(reverse("admin:kafka_events_outboxrecord_changelist"), {"q": ID}).content.decode()
    read = page(admin_client, "outboxrecord", waiting).content.decode()

    assert "refused" in listed
    assert "waiting" in listed
    assert "2 records in the outbox" in by_id
    assert "1 record in the outbox" in found
    assert "&quot;title&quot;: &quot;Café&quot;" in read
    assert f"ce_id: {ID}" in read
    assert 'name="_save"' not in read


def test_nothing_can_be_added_or_changed(admin_client, waiting, held):
    for model in ("outboxrecord", "heldrecord"):
        assert admin_client.get(reverse(f"admin:kafka_events_{model}_add")).status_code == 403
    address = reverse("admin:kafka_events_outboxrecord_change", args=[waiting.pk])
    assert admin_client.post(address, {"topic": "other"}).status_code == 403


def test_only_a_refused_row_can_be_deleted(admin_client, refused, waiting):
    def delete(row):
        address = reverse("admin:kafka_events_outboxrecord_delete", args=[row.pk])
        return admin_client.post(address, {"post": "yes"}).status_code

    assert delete(waiting) == 403
    assert delete(refused) == 302
    assert list(OutboxRecord.objects.all()) == [waiting]


def test_the_action_on_many_deletes_refused_ones_only(admin_client, refused, waiting):
    def delete(*rows):
        address = reverse("admin:kafka_events_outboxrecord_changelist")
        chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
        return admin_client.post(address, chosen).status_code

    assert delete(refused, waiting) == 403
    assert delete(refused) == 302
    assert list(OutboxRecord.objects.all()) == [waiting]


def test_a_held_record_of_arbitrary_bytes_is_read(admin_client, held):
    listed = page(admin_client, "heldrecord").content.decode()
    read = page(admin_client, "heldrecord", held).content.decode()

    assert "ValueError" in listed
    assert "\\xff" in read
    assert "odd: \\xfe" in read
    assert "gone: none" in read
    assert "&lt;script&gt;not json" in read
    assert "<script>not json" not in read
    assert page(admin_client, "heldrecord", held, "delete").status_code == 403


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b'"\\ud800"', b"9" * 5000, b"NaN"])
def test_whatever_the_bytes_are_there_is_a_text_that_a_page_can_carry(data):
    assert isinstance(as_json(data).encode(), bytes)
    assert isinstance(as_text(data).encode(), bytes)
