"""`body_of`: the JSON of a request as a typed value, or a refusal that says which field to change."""

import re

import msgspec
from django.http import HttpRequest

from examples.refusal import Refused

LIMIT = 64 * 1024
"""The most bytes of a body. A title of 2,000 characters needs 24 kB at worst, written as escapes."""


_LONE_SURROGATE = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}"')
"""Half a character at the end of a text. msgspec calls that "truncated" and leaves one looking for a missing brace."""


def body_of[Body](request: HttpRequest, wanted: type[Body]) -> Body:
    """The request's JSON as `wanted`. Refused: 415, 413, 400 (not JSON) or 422 (JSON, but not what is wanted)."""
    if request.content_type != "application/json":
        kind = repr(request.content_type) if request.content_type else "none"
        raise Refused(415, f"The content type is {kind}.", "Send JSON with Content-Type: application/json.")
    if (encoding := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise Refused(415, f"The body is encoded as {encoding[:40]!r}.", "Send it without Content-Encoding, as it is.")
    data = _bytes_of(request)
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.ValidationError as error:
        raise Refused(422, f"{error}.", f"Send {_shape(wanted)} and nothing else.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"The body is not JSON: {_why(error, data)}.", f"Send {_shape(wanted)} in UTF-8.") from None


def refuse_large_form(request: HttpRequest) -> None:
    """Refuse a form that is too large (413), or that does not say its size (411): Django would read all of it."""
    length = request.headers.get("Content-Length", "")
    if not length.isdigit():
        raise Refused(411, "The form does not say how long it is.", "Send it with Content-Length.")
    if int(length) > LIMIT:
        raise _too_large()


def _bytes_of(request: HttpRequest) -> bytes:
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LIMIT:
        raise _too_large()
    data: bytes = request.read(LIMIT + 1)  # not request.body: a chunked body has no length, and that reads all of it
    if len(data) > LIMIT:
        raise _too_large()
    return data


def _why(error: Exception, data: bytes) -> str:
    if "truncated" in str(error) and (found := _LONE_SURROGATE.search(data)):
        return f"{found[0][:-1].decode()} is a lone surrogate, half a character"
    return str(error)


def _too_large() -> Refused:
    return Refused(413, f"The body is larger than {LIMIT:,} bytes.", f"Send at most {LIMIT:,} bytes.")


def _shape(wanted: type) -> str:
    fields = ", ".join(f'"{one.encode_name}": ...' for one in msgspec.structs.fields(wanted))
    return f"{{{fields}}}"
