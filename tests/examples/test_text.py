"""The text of a quote."""

import re

import pytest

from examples.quotes.text import UnusableText, cleaned, fingerprint, words_and_author


@pytest.mark.parametrize("same", ["a  b", " a b ", "a\nb", "a\u00a0b"])
def test_white_space_makes_no_other_quote(same):
    assert fingerprint(same) == fingerprint("a b")


def test_two_ways_to_write_an_accent_are_the_same_quote():
    assert fingerprint("cafe\u0301") == fingerprint("café")


def test_case_makes_another_quote():
    assert fingerprint("a") != fingerprint("A")


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "empty"), (" \n", "empty"), ("x" * 2001, "2,001"), ("a\0b", "U+0000"), ("a\x07b", "U+0007")]
    + [("a\u202eb", r"U+202E (RIGHT-TO-LEFT OVERRIDE)"), ("\u2066a", "U+2066 (LEFT-TO-RIGHT ISOLATE)")]
    + [(text, "no visible character") for text in ("\u200b", "\u200b \u2060", "\u00ad")],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(text, why):
    with pytest.raises(UnusableText, match=re.escape(why)):
        cleaned(text)


def test_the_longest_text_is_kept():
    assert cleaned("x" * 2000) == "x" * 2000


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Know thyself — Thales", ("Know thyself", "Thales")),
        ("Know thyself.\n\t\t-- Thales, of\n\t\t   Miletus", ("Know thyself.\n\t\t-- Thales, of\n\t\t   Miletus", "")),
        ("Know thyself.\n\t\t-- Thales", ("Know thyself.", "Thales")),
        ("Well-known words", ("Well-known words", "")),
        ("a — b — Carla", ("a — b", "Carla")),
    ],
)
def test_the_author_stands_after_the_last_dash(text, parts):
    assert words_and_author(text) == parts


@pytest.mark.parametrize("text", ["👩\u200d🚀", "می\u200cخواهم", "!"])
def test_invisible_characters_within_visible_ones_are_kept(text):
    assert cleaned(text) == text
