"""Headers as JSON: whatever bytes they are, they come back the same."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from events.core.headers import given_back, held

names = st.text(st.characters(exclude_categories=()))


@given(st.lists(st.tuples(names, st.none() | st.binary())))
@example([("twice", b"1"), ("twice", b"2")])
@example([("null", None), ("empty", b""), ("half \ud800 surrogate", b"\0"), ("\udcff", None)])
@example([("", b""), ("nul\0", b"\0"), ("not utf-8", b"\xff\xfe"), ("é", "é".encode())])
def test_they_come_back_byte_for_byte(headers):
    text = json.dumps(held(tuple(headers)))

    assert given_back(json.loads(text)) == tuple(headers)
    assert "\\u0000" not in text  # PostgreSQL's jsonb refuses it


def test_text_stays_readable():
    assert held((("ce_type", b"QuoteCreated"),)) == [["ce_type", "QuoteCreated"]]


def test_null_is_null_and_not_empty():
    assert held((("gone", None), ("empty", b""))) == [["gone", None], ["empty", ""]]


def test_what_is_no_text_is_base64():
    assert held((("odd", b"\xff"),)) == [["odd", {"base64": "/w=="}]]
