"""Bodies as an ASGI server hands them over: in chunks of unknown size, empty, endlessly nested."""

from io import BytesIO

import msgspec
import pytest
from django.core.handlers.asgi import ASGIRequest

from examples.body import LIMIT, body_of, refuse_large_form
from examples.refusal import Refused


class Wanted(msgspec.Struct):
    """Something to ask for."""

    title: str


def request(body, **headers):
    """A request that says no length, as a chunked one."""
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": named}
    return ASGIRequest(scope, BytesIO(body))


def refused(body, **headers):
    with pytest.raises(Refused) as caught:
        body_of(request(body, **{"content_type": "application/json", **headers}), Wanted)
    return caught.value.status


def test_a_body_in_chunks_is_read():
    assert body_of(request(b'{"title": "a"}', content_type="application/json; charset=utf-8"), Wanted).title == "a"


def test_the_largest_body_is_read():
    body = b'{"title": "' + b"x" * (LIMIT - 13) + b'"}'

    assert len(body) == LIMIT
    assert len(body_of(request(body, content_type="application/json"), Wanted).title) == LIMIT - 13


def test_a_large_body_in_chunks_is_refused():
    assert refused(b'{"title": "' + b"x" * LIMIT + b'"}') == 413


def test_a_large_body_is_refused_by_what_it_says_of_itself_before_it_is_read():
    assert refused(b"{}", content_length=str(LIMIT + 1)) == 413


def test_an_empty_body_is_refused():
    assert refused(b"") == 400


@pytest.mark.parametrize("body", [b'{"title": "\\ud800"}', b'{"title": "a\\uDBff"}'])
def test_half_a_character_is_named(body):
    with pytest.raises(Refused, match="lone surrogate"):
        body_of(request(body, content_type="application/json"), Wanted)


def test_a_body_that_ends_early_is_called_truncated():
    with pytest.raises(Refused, match="truncated"):
        body_of(request(b'{"title": "a', content_type="application/json"), Wanted)


def test_a_compressed_body_is_refused_and_a_plain_one_may_say_so():
    assert refused(b'{"title": "a"}', content_encoding="gzip") == 415
    assert body_of(request(b'{"title": "a"}', content_type="application/json", content_encoding="identity"), Wanted)


def test_a_body_nested_without_end_is_refused():
    assert refused(b'{"other": ' + b"[" * 60_000) == 400


def test_a_form_must_say_its_size():
    with pytest.raises(Refused, match="how long"):
        refuse_large_form(request(b"a=b", content_type="application/x-www-form-urlencoded"))
