"""Which types of fields can come back from JSON. Asked when an event class is declared, not at its first event."""

from collections.abc import Iterable

import msgspec
from msgspec import inspect, structs

JSON = (dict, list, str, int, float, bool, type(None))
"""What JSON becomes without a class: a field of `object` holds it."""


def problems(event_class: type) -> Iterable[str]:
    """What of a class could never be decoded. Nothing where a name in it stands for a class of further below."""
    try:
        msgspec.json.Decoder(event_class)
        described = inspect.type_info(event_class)
    except (NameError, AttributeError):
        return
    except TypeError as error:
        yield str(error)
    else:
        assert isinstance(described, inspect.StructType)
        for field in described.fields:
            for unknown in _unknown(field.type, set()):
                yield f"{field.name}: JSON has nothing that becomes {unknown.__name__}. Use another type for it."


def _unknown(part: object, seen: set[int]) -> Iterable[type]:
    """The classes in the description of a type that msgspec would hand to a hook; there is none."""
    if isinstance(part, tuple):
        for one in part:
            yield from _unknown(one, seen)
    elif isinstance(part, inspect.CustomType):
        if not any(issubclass(known, part.cls) for known in JSON):
            yield part.cls
    elif isinstance(part, inspect.Type | inspect.Field) and id(part) not in seen:
        seen.add(id(part))
        yield from _unknown(structs.astuple(part), seen)
