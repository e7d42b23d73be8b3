"""The shapes that travel."""

import dataclasses

import pytest

from events.core.broker import OutgoingRecord, Place, Record


def test_a_record_knows_its_place_and_how_to_write_it():
    record = Record("quotes", 3, 17, b"k", b"v")

    assert record.place == Place("quotes", 3, 17)
    assert str(record.place) == "quotes/3/17"


def test_of_two_headers_with_one_name_the_last_wins():
    record = Record("quotes", 0, 0, None, None, (("a", b"1"), ("b", b"2"), ("a", b"3")))

    assert (record.header("a"), record.header("b"), record.header("c")) == (b"3", b"2", None)


def test_two_records_are_never_equal_only_identical():
    one, other = (Record("quotes", 0, 0, b"k", b"v") for _ in range(2))

    assert one != other
    assert len({one, other, one}) == 2


def test_what_travels_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        OutgoingRecord("quotes", None, b"v").topic = "likes"


def test_the_size_of_a_record_is_its_key_value_and_headers():
    assert OutgoingRecord("quotes", b"key", b"value", (("name", b"text"),)).size == 3 + 5 + 4 + 4
    assert OutgoingRecord("quotes", None, b"value").size == 5
