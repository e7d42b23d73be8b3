"""`Registry`: which events exist and who wants them. Written by decorators at import, read afterwards.

A subscriber belongs to a group: one consumer, one engine, one position, one concurrency. A subscriber with its own
`batch`, `concurrency` or `atomic=False` is a group of its own, `<group>.<name>`, which starts at the earliest record.
The inbox knows it by its declared group all the same, so what it has handled has no effect again.
One with `broadcast=True` is in no group: every process hears the events for itself.

Names never follow from module paths: the inbox and the committed offsets keep them, and a moved file must not replay
a topic.
"""

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Unpack, overload

from events.core import event as event_module
from events.core.errors import InvalidDeclaration
from events.core.event import Event, declaration
from events.core.names import LEGAL, LONGEST_SUBSCRIBER, is_legal
from events.core.options import BroadcastOptions, Options, wrong_options
from events.core.signature import problems

type EventClass = type[Event]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A function and the events it wants.

    `group` is None where the settings decide. `batch`: the most events of one call, None for one event a call.
    `atomic`: one database transaction with its inbox row. `concurrency`: the most calls at once in one process.
    `broadcast`: every process runs it, in no group, at most once.
    """

    name: str
    function: Callable[[Any], object]
    events: tuple[EventClass, ...]
    group: str | None = None
    batch: int | None = None
    atomic: bool = True
    concurrency: int | None = None
    broadcast: bool = False

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def topics(self) -> frozenset[str]:
        """The topics of its events."""
        topics = (declaration(wanted).topic for wanted in self.events)
        return frozenset(topic for topic in topics if topic)

    @property
    def stands_alone(self) -> bool:
        """Whether its options make it a group of its own."""
        return self.batch is not None or self.concurrency is not None or not self.atomic

    def group_name(self, default: str) -> str:
        """The group that it belongs to, where the settings say `default`."""
        group = self.group or default
        return f"{group}.{self.name}" if self.stands_alone else group


@dataclass(frozen=True, slots=True)
class Group:
    """Subscribers that share one consumer, one engine and one position. `name` and `topics` without prefix."""

    name: str
    subscribers: tuple[Subscriber, ...]

    @property
    def declared(self) -> str:
        """The group that its subscribers were declared in, under which the inbox knows them."""
        alone = next((one.name for one in self.subscribers if one.stands_alone), None)
        return self.name.removesuffix(f".{alone}") if alone else self.name

    @property
    def topics(self) -> frozenset[str]:
        """The topics of all its events."""
        return frozenset[str]().union(*(subscriber.topics for subscriber in self.subscribers))

    @property
    def batch(self) -> int:
        """The most records that its engine hands over at once."""
        return max((subscriber.batch or 1 for subscriber in self.subscribers), default=1)

    @property
    def concurrency(self) -> int | None:
        """The most calls at once in one process; None leaves it to the settings."""
        return next((subscriber.concurrency for subscriber in self.subscribers), None)


class Subscribes[Argument](Protocol):
    """A decorator for functions of one argument. It hands the function back as it is."""

    def __call__[Result: None | Awaitable[None]](
        self, function: Callable[[Argument], Result], /
    ) -> Callable[[Argument], Result]:
        """Register the function."""


@dataclass(eq=False)
class Registry:
    """Event classes and subscribers. The default one is `registry`; tests make their own."""

    subscribers: list[Subscriber] = field(default_factory=list)
    event_classes: list[EventClass] = field(default_factory=list)

    @overload
    def subscriber[A: Event](
        self, first: type[A], /, *, batch: None = None, **options: Unpack[Options]
    ) -> Subscribes[A]: ...
    @overload
    def subscriber[A: Event](
        self, first: type[A], /, *, batch: int, **options: Unpack[Options]
    ) -> Subscribes[list[A]]: ...
    @overload
    def subscriber[A: Event, B: Event](
        self, first: type[A], second: type[B], /, *, batch: None = None, **options: Unpack[Options]
    ) -> Subscribes[A | B]: ...
    @overload
    def subscriber[A: Event, B: Event](
        self, first: type[A], second: type[B], /, *, batch: int, **options: Unpack[Options]
    ) -> Subscribes[list[A | B]]: ...
    @overload
    def subscriber[A: Event, B: Event, C: Event](
        self, first: type[A], second: type[B], third: type[C], /, *, batch: None = None, **options: Unpack[Options]
    ) -> Subscribes[A | B | C]: ...
    @overload
    def subscriber[A: Event, B: Event, C: Event](
        self, first: type[A], second: type[B], third: type[C], /, *, batch: int, **options: Unpack[Options]
    ) -> Subscribes[list[A | B | C]]: ...
    @overload
    def subscriber[A: Event](
        self, first: type[A], /, *, broadcast: Literal[True], **options: Unpack[BroadcastOptions]
    ) -> Subscribes[A]: ...
    @overload
    def subscriber[A: Event, B: Event](
        self, first: type[A], second: type[B], /, *, broadcast: Literal[True], **options: Unpack[BroadcastOptions]
    ) -> Subscribes[A | B]: ...
    @overload
    def subscriber[A: Event, B: Event, C: Event](
        self,
        first: type[A],
        second: type[B],
        third: type[C],
        /,
        *,
        broadcast: Literal[True],
        **options: Unpack[BroadcastOptions],
    ) -> Subscribes[A | B | C]: ...

    def subscriber(self, *events: EventClass, **options: Any) -> Subscribes[Any]:
        """Declare that a function wants events: `@subscriber(QuoteCreated)`, with up to three event classes.

        `name`: default the function's name; it is kept in the inbox, so keep it when the function moves.
        `group`: default `EVENTS["GROUP"]`. `batch`: the function is given a list of up to so many events, in one
        transaction. `atomic=False`: no transaction and no inbox row, so at least once. `concurrency`: the most calls
        at once in one process. Raises `InvalidDeclaration` for what cannot work.

        `broadcast=True`: every process runs it for itself, for what lives in a process: open sockets, caches. It
        hears what is sent from its start on, at most once: no group, no inbox, no transaction, no second attempt.
        One call at a time, in the order of each partition; one that hangs holds up only itself.
        """
        for problem in _wrong_events(events):
            raise InvalidDeclaration(f"@subscriber: {problem}")

        def register(function: Callable[[Any], Any], /) -> Callable[[Any], Any]:
            plain = Subscriber(getattr(function, "__name__", ""), function, events)
            self.add(replace(plain, **{"atomic": not options.get("broadcast", False), **options}))
            return function

        return register

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber. Raises `InvalidDeclaration` when it cannot work or its name is taken."""
        for problem in self._problems(subscriber):
            raise InvalidDeclaration(f"@subscriber {subscriber.name!r}: {problem}")
        self.subscribers.append(subscriber)

    def events(self) -> list[EventClass]:
        """Every event class: those given, those subscribed to, and for the default registry all declared ones."""
        wanted = [event for subscriber in self.subscribers for event in subscriber.events]
        return list(dict.fromkeys([*self.event_classes, *wanted]))

    def find(self, topic: str, type: str) -> EventClass | None:
        """The event class of this type in this topic (names without prefix), or None."""
        return next((one for one in self.of_topic(topic) if declaration(one).type == type), None)

    def of_topic(self, topic: str) -> list[EventClass]:
        """All event classes of a topic."""
        return [one for one in self.events() if declaration(one).topic == topic]

    def topics(self) -> list[str]:
        """All declared topics, sorted, without prefix."""
        return sorted({topic for one in self.events() if (topic := declaration(one).topic)})

    def broadcasts(self) -> dict[str, Subscriber]:
        """The subscribers that every process runs for itself, by name."""
        return {one.name: one for one in self.subscribers if one.broadcast}

    def groups(self, default: str) -> dict[str, Group]:
        """All groups by name, where the settings call the default one `default`.

        Raises `InvalidDeclaration` where two subscribers get into each other's way under that name.
        """
        for problem in self.group_problems(default):
            raise InvalidDeclaration(problem)
        return self._members(default)

    def group_problems(self, default: str) -> list[str]:
        """What `groups` refuses, one sentence each: it shows only when the default group has its name."""
        return [
            *self._same_names(default),
            *(text for group in self._members(default).values() for text in _shared(group)),
        ]

    def _same_names(self, default: str) -> Iterable[str]:
        counted = Counter((one.group or default, one.name) for one in self.subscribers if not one.broadcast)
        for (group, name), times in counted.items():
            if times > 1:
                yield (
                    f"Group {group!r} has {times} subscribers {name!r}: the inbox would take them for one, and all but "
                    "one would be skipped. Give each a name of its own: @subscriber(..., name=...)."
                )

    def _members(self, default: str) -> dict[str, Group]:
        members: dict[str, list[Subscriber]] = {}
        for subscriber in [one for one in self.subscribers if not one.broadcast]:
            members.setdefault(subscriber.group_name(default), []).append(subscriber)
        return {name: Group(name, tuple(subscribers)) for name, subscribers in members.items()}

    def _problems(self, new: Subscriber) -> Iterable[str]:
        if not new.name.isidentifier() or len(new.name) > LONGEST_SUBSCRIBER:
            yield (
                f"needs a name of letters, digits and underscores, {LONGEST_SUBSCRIBER} at most: "
                "@subscriber(..., name=...)."
            )
        elif new.group is not None and not is_legal(new.group):
            yield f"group= must be {LEGAL}, not {new.group!r}."
        elif any(_known_as(old) == _known_as(new) for old in self.subscribers):
            where = "among the broadcast subscribers" if new.broadcast else "in its group"
            yield f"the name is taken {where}; give one of the two another: @subscriber(..., name=...)."
        yield from wrong_options(
            broadcast=new.broadcast, atomic=new.atomic, group=new.group, batch=new.batch, concurrency=new.concurrency
        )
        yield from problems(new.function, new.events, batch=new.batch is not None)


class DeclaredRegistry(Registry):
    """The default registry: it knows every event class that was declared anywhere, subscribed to or not."""

    def events(self) -> list[EventClass]:
        """Every declared event class."""
        return list(event_module.declared)


def _shared(group: Group) -> Iterable[str]:
    alone = [one.name for one in group.subscribers if one.stands_alone]
    strangers = [one for one in group.subscribers if not (one.stands_alone and one.name == alone[0])] if alone else []
    if strangers:
        others = ", ".join(repr(one.name) for one in strangers)
        yield (
            f"Group {group.name!r} belongs to the subscriber {alone[0]!r} alone, because of its batch=, concurrency= "
            f"or atomic=False, but {others} would share it. Give one of them another group= or name=."
        )


def _known_as(subscriber: Subscriber) -> tuple[object, ...]:
    return subscriber.broadcast, subscriber.group, subscriber.name


def _wrong_events(events: tuple[object, ...]) -> Iterable[str]:
    if not events or any(not _is_event_class(one) for one in events):
        yield ("name one to three classes that derive from Event, each with a topic: write @subscriber(QuoteCreated).")


def _is_event_class(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, Event) and bool(declaration(candidate).topic)


registry = DeclaredRegistry()
subscriber = registry.subscriber
