"""Naive datetimes in events are found wherever they hide, and only classes that can hold one are searched."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
import pytest

from events import Event
from events.core.moments import _fields_with_datetimes, naive_moments

NAIVE, AWARE = datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)


class Visit(msgspec.Struct, frozen=True):
    at: datetime
    inner: "Visit | None" = None


@dataclass(frozen=True)
class Stay:
    until: datetime


class Visited(Event, topic="visits"):
    day: date = date(2026, 1, 2)
    at: datetime = AWARE
    perhaps: datetime | None = None
    visit: Visit | None = None
    visits: list[Visit] = []
    by_name: dict[str, list[datetime]] = {}
    pair: tuple[int, datetime] = (1, AWARE)
    stay: Stay | None = None


class Plain(Event, topic="visits"):
    day: date
    names: list[str]


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({"at": NAIVE}, ["at"]),
        ({"perhaps": NAIVE, "at": NAIVE}, ["at", "perhaps"]),
        ({"visit": Visit(AWARE, Visit(NAIVE))}, ["visit.inner.at"]),
        ({"visits": [Visit(AWARE), Visit(NAIVE)]}, ["visits[1].at"]),
        ({"by_name": {"secret": [NAIVE]}}, ["by_name[...][0]"]),
        ({"pair": (1, NAIVE)}, ["pair[1]"]),
        ({"stay": Stay(NAIVE)}, ["stay.until"]),
        ({"visit": Visit(AWARE), "by_name": {"a": [AWARE]}, "stay": Stay(AWARE)}, []),
    ],
)
def test_each_is_named_by_its_place(fields, places):
    assert naive_moments(Visited(**fields)) == places


def test_fields_that_cannot_hold_one_are_not_searched():
    assert _fields_with_datetimes(Plain) == ()
    assert "day" not in _fields_with_datetimes(Visited)
    assert naive_moments(Plain(day=date(2026, 1, 2), names=["a"])) == []
