"""A user's file: what type checkers must accept, and, on the lines that say so, must refuse."""

from collections.abc import Iterator
from datetime import datetime

from events import Event, subscriber


class Created(Event, topic="things", key="id"):
    id: int
    name: str
    at: datetime | None = None


class Deleted(Event, topic="things", key="id"):
    id: int


created = Created(id=1, name="one")
name: str = created.name

Created(id="1", name="one")  # wrong: a wrong type
Created(id=1)  # wrong: a missing field
Created(1, "one")  # wrong: positional
created.name = "two"  # wrong: an assignment
Created(id=1, name="one", more=2)  # wrong: an unknown field


class Mistyped(Event, topic=5):  # wrong: a topic is text
    id: int


@subscriber(Created)
def remember(event: Created) -> None: ...


@subscriber(Created)
async def remember_later(event: Created) -> None: ...


@subscriber(Created, Deleted, name="either")
def follow(event: Created | Deleted) -> None: ...


@subscriber(Created, batch=500)
def remember_many(events: list[Created]) -> None: ...


@subscriber(Created, atomic=False, concurrency=256, group="fast")
async def announce(event: Created) -> None: ...


@subscriber(Created, broadcast=True)
async def push(event: Created) -> None: ...


@subscriber(Created, Deleted, broadcast=True, name="both", atomic=False)
def push_both(event: Created | Deleted) -> None: ...


@subscriber(Deleted)  # wrong: the function takes another event
def confused(event: Created) -> None: ...


@subscriber(Created, batch=5)  # wrong: a batch is a list
def confused_by_batch(event: Created) -> None: ...


@subscriber(Created, Deleted)  # wrong: only one of the two fits
def half(event: Created) -> None: ...


@subscriber(Created, batch="many")  # wrong: a number
def counted(events: list[Created]) -> None: ...


@subscriber(Created, retries=3)  # wrong: no such option
def optioned(event: Created) -> None: ...


@subscriber(Created, broadcast=True)  # wrong: the function takes one event
def push_many(events: list[Created]) -> None: ...


@subscriber(Created, broadcast=True, group="fast")  # wrong: a broadcast is in no group
def push_in_group(event: Created) -> None: ...


@subscriber(Created, broadcast=True, batch=5)  # wrong: a broadcast has no batches
def push_in_batches(events: list[Created]) -> None: ...


@subscriber(Created, broadcast=True, atomic=True)  # wrong: a broadcast has no transaction
def push_atomically(event: Created) -> None: ...


@subscriber(Created)  # wrong: nobody would run it
def streamed(event: Created) -> Iterator[None]:
    yield


remember(created)
