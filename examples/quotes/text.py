"""The text of a quote: what is allowed, when two are the same, and where the author's name stands in it."""

import hashlib
import re
import unicodedata

MAX_LENGTH = 2000

_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_ATTRIBUTION = re.compile(r"^(?P<words>.+?)\s*(?:\s—|\n\s*--|\s--)\s*(?P<author>[^\n—]{2,120})$", re.DOTALL)


class UnusableText(ValueError):
    """A text that cannot be a quote. Its message says why."""


def cleaned(text: str) -> str:
    """The text as it is kept: NFC, plain line ends, nothing around it. Raises `UnusableText`.

    Control characters are refused, not dropped: PostgreSQL cannot keep NUL, and the others hide what was meant. So do
    those that turn the direction of what follows, on the whole page if they are never closed.
    """
    result = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not result:
        raise UnusableText("the title is empty")
    if len(result) > MAX_LENGTH:
        raise UnusableText(f"the title has {len(result):,} characters; at most {MAX_LENGTH:,} are possible")
    if found := _UNWANTED.search(result):
        raise UnusableText(f"the title holds the control character U+{ord(found[0]):04X}")
    if found := _TURNING.search(result):
        raise UnusableText(f"the title holds U+{ord(found[0]):04X} ({unicodedata.name(found[0])})")
    if not any(unicodedata.category(character)[0] not in "CZ" for character in result):
        raise UnusableText("the title has no visible character")
    return result


def fingerprint(text: str) -> str:
    """SHA-256, in hex, of the text in NFC with each run of white space as one space: the same for the same words."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(normal.encode()).hexdigest()


def words_and_author(text: str) -> tuple[str, str]:
    """The words and the name after the last dash: `Know thyself — Thales`. The name is empty where there is none."""
    if found := _ATTRIBUTION.match(text):
        return found["words"].rstrip(), " ".join(found["author"].split())
    return text, ""
