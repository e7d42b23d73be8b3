"""`Event`: a fact of the domain, as a frozen, keyword-only msgspec struct.

At run time `Event` is made by `EventMeta`, which takes `topic=`, `key=` and `type=` and passes every other option on
to msgspec. Type checkers cannot follow a metaclass, so under `TYPE_CHECKING` the same name is a plain class with
`dataclass_transform` (PEP 681): mypy and pyright then find a wrong type, a missing field, a positional argument and
an assignment in a user's event. Tests run both over a user's file.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, dataclass_transform

import msgspec

from events.core.decodable import problems
from events.core.errors import InvalidDeclaration
from events.core.names import LEGAL, is_legal


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an event class says of itself: its topic, the field that gives the key, its type on the wire."""

    topic: str | None
    key: str | None
    type: str


declared: "list[type[Event]]" = []
"""Every event class with a topic, in the order of declaration. Written by `EventMeta` alone."""


def declaration(event_class: "type[Event]") -> Declaration:
    """The declaration of an event class."""
    result: Declaration = event_class.__event__
    return result


def field_names(event_class: "type[Event]") -> tuple[str, ...]:
    """The names of its fields, in the order of declaration."""
    names: tuple[str, ...] = event_class.__struct_fields__  # type: ignore[attr-defined]
    return names


def _refuse_illegal_topic(name: str, topic: object) -> None:
    if topic is not None and not is_legal(topic):
        raise InvalidDeclaration(f"{name}: topic= must be {LEGAL}, not {topic!r}.")


def _refuse_unknown_key(event_class: "type[Event]") -> None:
    key, fields = declaration(event_class).key, field_names(event_class)
    if key is not None and key not in fields:
        raise InvalidDeclaration(
            f"{event_class.__name__}: key={key!r} is not one of its fields ({', '.join(fields) or 'it has none'})."
        )


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class Event:
        """A fact of the domain, named in the past tense. Frozen, keyword-only, validated when published.

            class QuoteCreated(Event, topic="quotes", key="quote_id"):
                quote_id: int
                title: str

        `topic`: where it goes; a class without one is a base for others. `key`: the field whose value orders the
        events of one thing; None spreads them. `type`: its name on the wire, by default the name of the class.
        """

        __event__: Declaration

        def __init_subclass__(
            cls, *, topic: str | None = None, key: str | None = None, type: str | None = None, **options: Any
        ) -> None: ...

else:

    class EventMeta(msgspec.StructMeta):
        """Makes event classes: frozen and keyword-only, with a declaration beside the fields."""

        def __new__(mcls, name, bases, namespace, *, topic=None, key=None, type=None, **options):
            _refuse_illegal_topic(name, topic)
            options = {"frozen": True, "kw_only": True} | options
            cls = super().__new__(mcls, name, bases, namespace, **options)
            inherited = next((base.__event__ for base in bases if hasattr(base, "__event__")), None)
            cls.__event__ = Declaration(
                topic=topic or (inherited and inherited.topic),
                key=key or (inherited and inherited.key),
                type=type or name,
            )
            _refuse_unknown_key(cls)
            if cls.__event__.topic:
                for problem in problems(cls):
                    raise InvalidDeclaration(f"{name}: {problem}")
                declared.append(cls)
            return cls

    class Event(msgspec.Struct, metaclass=EventMeta):
        """A fact of the domain. See the annotated twin above."""
