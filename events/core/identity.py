"""Ids of events: UUIDv7 for our own, and 16 bytes for whatever others call theirs."""

import os
import time
import uuid

_NAMESPACE = uuid.UUID("6d8f54a2-5b0c-5a77-9d0e-6f1a2c3b4d5e")


def uuid7() -> uuid.UUID:
    """A new id that sorts by its time: 48 bits of Unix milliseconds, then random bits. Source: RFC 9562, 5.7."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10)) & ((1 << 74) - 1)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return uuid.UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def event_id(id: str, source: str) -> uuid.UUID:
    """The UUID of a CloudEvent: its id if that is a UUIDv7, else a UUIDv5 of source and id, which together are unique.

    Other kinds of UUID are hashed too: a name-based one may well come from two sources.
    """
    try:
        given = uuid.UUID(id)
    except ValueError:
        given = uuid.UUID(int=0)
    return given if given.version == 7 else uuid.uuid5(_NAMESPACE, f"{source}\n{id}")
