"""The options of `@subscriber` besides its events: their types, and which of them cannot work."""

from collections.abc import Iterable
from typing import Literal, TypedDict

_NOT_FOR_BROADCAST = {
    "group": "is in no group, because every process hears the events",
    "batch": "is given one event at a time",
    "concurrency": "has one call at a time, which keeps the order",
}


class Options(TypedDict, total=False):
    """What `@subscriber` may be told besides its events and `batch=`."""

    name: str
    group: str
    atomic: bool
    concurrency: int
    broadcast: Literal[False]


class BroadcastOptions(TypedDict, total=False):
    """What `@subscriber(..., broadcast=True)` may be told besides its events."""

    name: str
    atomic: Literal[False]


def wrong_options(*, broadcast: object, atomic: object, **others: object) -> Iterable[str]:
    """What is wrong with these values, one sentence each. `others`: `group`, `batch`, `concurrency`, or None."""
    if type(broadcast) is not bool:
        yield f"broadcast= must be True or False, not {broadcast!r}."
    elif broadcast:
        if atomic:
            yield "broadcast=True has no transaction, because it has no inbox: leave out atomic=."
        given = [option for option in _NOT_FOR_BROADCAST if others.get(option) is not None]
        yield from (f"broadcast=True {_NOT_FOR_BROADCAST[option]}: leave out {option}=." for option in given)
    for option in ("batch", "concurrency"):
        value = others.get(option)
        if value is not None and (type(value) is not int or value < 1):
            yield f"{option}= must be a whole number from 1, not {value!r}."
