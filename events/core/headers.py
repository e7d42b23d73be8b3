"""Headers as JSON, for rows that hold a record: text where it is text, base64 where it is not, null where it is null.

    ("ce_type", b"QuoteCreated")  ⇄  ["ce_type", "QuoteCreated"]
    ("trace", b"\\xff\\x00")        ⇄  ["trace", {"base64": "/wA="}]
    ("empty", None)               ⇄  ["empty", null]

Bytes with a NUL count as no text: PostgreSQL stores none in its JSON. Names are held the same way.
"""

import base64
from collections.abc import Iterable

from events.core.broker import Headers

type Held = str | dict[str, str] | None


def held(headers: Headers) -> list[list[Held]]:
    """The headers in a form that JSON can carry: a list of pairs, in the order of the wire."""
    return [[_hold(name.encode(errors="surrogatepass")), _hold(value)] for name, value in headers]


def given_back(pairs: Iterable[Iterable[Held]]) -> Headers:
    """The headers that `held` was given, byte for byte."""
    return tuple(((_give_back(name) or b"").decode(errors="surrogatepass"), _give_back(value)) for name, value in pairs)


def _hold(data: bytes | None) -> Held:
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(data).decode()} if "\0" in text else text


def _give_back(data: Held) -> bytes | None:
    if data is None:
        return None
    return data.encode() if isinstance(data, str) else base64.b64decode(data["base64"])
