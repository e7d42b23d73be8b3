"""Datetimes in events: which fields of a class can hold one, decided once, and which of an event's are naive.

A naive datetime has no time zone. It makes the way over the wire, but its reader can only guess what moment it is.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec import inspect

from events.core.event import Event

_known: dict[type[Event], tuple[str, ...]] = {}
"""By class: the fields that can hold a datetime. Most have none, and then nothing is searched."""


def naive_moments(event: Event) -> list[str]:
    """Where the event holds datetimes without a time zone: `at`, `stay.from`, `visits[0]`, `by_name[...]`."""
    event_class = type(event)
    if event_class not in _known:
        _known[event_class] = _fields_with_datetimes(event_class)
    return [path for name in _known[event_class] for path in _naive(getattr(event, name), name)]


def _fields_with_datetimes(event_class: type[Event]) -> tuple[str, ...]:
    described = inspect.type_info(event_class)
    assert isinstance(described, inspect.StructType)
    return tuple(field.name for field in described.fields if _may_hold_datetime(field.type, set()))


def _may_hold_datetime(node: object, seen: set[int]) -> bool:
    """Whether a datetime is anywhere in msgspec's description of a type. Struct types may hold themselves: `seen`."""
    if isinstance(node, inspect.DateTimeType):
        return True
    if id(node) in seen:
        return False
    seen.add(id(node))
    if isinstance(node, inspect.Type | inspect.Field):
        return any(_may_hold_datetime(getattr(node, name), seen) for name in node.__struct_fields__)
    return isinstance(node, tuple) and any(_may_hold_datetime(one, seen) for one in node)


def _naive(value: object, path: str) -> Iterator[str]:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            yield path
    else:
        for part, place in _parts(value):
            yield from _naive(part, path + place)


def _parts(value: object) -> Iterator[tuple[object, str]]:
    """What a value consists of, and how each part is written behind it. Keys of a dict are data: not shown."""
    if isinstance(value, msgspec.Struct):
        yield from ((getattr(value, name), f".{name}") for name in value.__struct_fields__)
    elif dataclasses.is_dataclass(value):
        yield from ((getattr(value, one.name), f".{one.name}") for one in dataclasses.fields(value))
    elif isinstance(value, Mapping):
        yield from ((part, "[...]") for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((part, f"[{number}]") for number, part in enumerate(value))
