"""What a log line about a record carries: the same keys for every record, and never its value."""

from events.core.broker import OutgoingRecord, Record
from events.core.extra import extra

HEADERS = (("ce_id", b"1"), ("ce_type", b"Sold"), ("secret", b"secret"))
KEYS = {"event_id", "event_type", "key", "topic", "partition", "offset", "subscriber"}


def test_a_record_and_an_outgoing_one_have_the_same_keys():
    placed = extra(Record("shop", 3, 9, b"k", b"secret", HEADERS), subscriber="count")
    outgoing = extra(OutgoingRecord("shop", b"k", b"secret", HEADERS))

    assert set(placed) == set(outgoing) == KEYS
    assert placed == outgoing | {"partition": 3, "offset": 9, "subscriber": "count"}
    assert (outgoing["event_id"], outgoing["event_type"], outgoing["key"]) == ("1", "Sold", "k")
    assert "secret" not in str(placed)


def test_what_is_null_or_no_text_stops_no_line():
    facts = extra(Record("shop", 0, 0, b"\xff", None, (("ce_id", None), ("ce_type", b"\xff"))))

    assert (facts["event_id"], facts["event_type"], facts["key"]) == (None, "�", "�")
