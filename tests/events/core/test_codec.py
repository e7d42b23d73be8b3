"""The wire: golden bytes, round trips of every supported type, and records that are not ours."""

import enum
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Event
from events.core import codec as codec_module
from events.core.broker import Record
from events.core.codec import Codec, Unwanted, inbox_id
from events.core.envelope import handling
from events.core.errors import InvalidEvent, Undecodable
from events.core.registry import Registry


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct, frozen=True):
    x: int
    y: float


class Everything(Event, topic="all", key="name"):
    name: str
    whole: int
    real: float
    yes: bool
    nothing: None
    moment: datetime
    day: date
    money: Decimal
    id: uuid.UUID
    colour: Colour
    point: Point
    numbers: list[int]
    names: dict[str, int]
    perhaps: int | None = None


class Named(Event, topic="quotes", key="quote_id", type="quote.named"):
    quote_id: int | None
    title: str


class Alone(Event, topic="solo"):
    number: int


class Two(Event, topic="pair"):
    number: int


class Three(Event, topic="pair"):
    number: int


REGISTRY = Registry(event_classes=[Everything, Named, Alone, Two, Three])
CODEC = Codec("shop", "test.", REGISTRY)


def placed(outgoing, offset=0):
    return Record(outgoing.topic, 0, offset, outgoing.key, outgoing.value, outgoing.headers)


def record(topic, value, **headers):
    pairs = tuple((name.replace("__", "-"), text.encode()) for name, text in headers.items())
    return Record(f"test.{topic}", 3, 9, b"k", value, pairs)


def test_the_bytes_on_the_wire_are_these(monkeypatch):
    monkeypatch.setattr(codec_module, "uuid7", lambda: uuid.UUID(int=0x0192F0000000700080000000000000AB))
    monkeypatch.setattr(codec_module, "datetime", Frozen)

    outgoing = CODEC.encode(Named(quote_id=7, title="Ünïcode"))

    assert outgoing.topic == "test.quotes"
    assert outgoing.key == b"7"
    assert outgoing.value == '{"quote_id":7,"title":"Ünïcode"}'.encode()
    assert outgoing.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0192f000-0000-7000-8000-0000000000ab"),
        ("ce_source", b"shop"),
        ("ce_type", b"quote.named"),
        ("ce_time", b"2026-01-02T03:04:05.000006Z"),
        ("content-type", b"application/json"),
    )


class Frozen(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2026, 1, 2, 3, 4, 5, 6, tz)


everything = st.builds(
    Everything,
    name=st.text(),
    whole=st.integers(-(2**63), 2**64 - 1),
    real=st.floats(allow_nan=False, allow_infinity=False),
    yes=st.booleans(),
    nothing=st.none(),
    moment=st.datetimes(timezones=st.just(UTC)),
    day=st.dates(),
    money=st.decimals(allow_nan=False, allow_infinity=False),
    id=st.uuids(),
    colour=st.sampled_from(Colour),
    point=st.builds(Point, st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False)),
    numbers=st.lists(st.integers(-(2**63), 2**63)),
    names=st.dictionaries(st.text(), st.integers(-(2**63), 2**63)),
    perhaps=st.none() | st.integers(0, 9),
)


@given(everything)
def test_every_supported_type_makes_the_round_trip(event):
    envelope = CODEC.decode(placed(CODEC.encode(event)))

    assert envelope.event == event
    assert envelope.key == event.name
    assert envelope.source == "shop"
    assert envelope.time.tzinfo is not None


def test_a_key_of_none_is_no_key():
    outgoing = CODEC.encode(Named(quote_id=None, title="x"))

    assert outgoing.key is None
    assert CODEC.decode(placed(outgoing)).key is None


@pytest.mark.parametrize(
    "event",
    [Named(quote_id="seven", title="x"), Named(quote_id=1, title=object()), Named(quote_id=1, title=b"\xff")],
    ids=["wrong type", "not JSON", "bytes"],
)
def test_an_event_that_does_not_fit_its_own_class_is_not_published(event):
    with pytest.raises(InvalidEvent, match="Named: "):
        CODEC.encode(event)


def test_a_number_that_json_cannot_hold_is_not_published():
    class Measured(Event, topic="all"):
        value: float

    with pytest.raises(InvalidEvent):
        CODEC.encode(Measured(value=float("nan")))


def test_a_datetime_without_a_time_zone_is_not_published_and_is_named():
    class Stayed(Event, topic="all"):
        guest: str
        until: datetime

    with pytest.raises(InvalidEvent, match="Stayed: until must have a time zone"):
        CODEC.encode(Stayed(guest="secret", until=datetime(2026, 1, 2)))

    assert CODEC.encode(Stayed(guest="secret", until=datetime(2026, 1, 2, tzinfo=UTC)))


def test_an_event_without_a_topic_is_not_published():
    class Base(Event):
        pass

    with pytest.raises(InvalidEvent, match="Base has no topic"):
        CODEC.encode(Base())


def test_a_type_that_nobody_wants_is_skipped():
    assert CODEC.decode(record("quotes", b"{}", ce_type="quote.unheard")) == Unwanted("quote.unheard")


def test_a_record_without_type_is_the_only_event_of_its_topic():
    envelope = CODEC.decode(record("solo", b'{"number": 3}'))

    assert envelope.event == Alone(number=3)
    assert (envelope.id, envelope.source, envelope.time) == ("test.solo/3/9@0", "", None)


@pytest.mark.parametrize("topic", ["pair", "unknown"])
def test_a_record_without_type_is_untyped_where_the_topic_does_not_tell(topic):
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(record(topic, b'{"number": 3}'))

    assert caught.value.reason == "untyped"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\x00", "json"),
        (b"", "json"),
        (None, "json"),
        (b"[1]", "schema"),
        (b'{"quote_id": "x", "title": "t"}', "schema"),
        (b'{"quote_id": 1}', "schema"),
    ],
)
def test_a_wanted_record_that_does_not_decode_says_why(value, reason):
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(record("quotes", value, ce_type="quote.named"))

    assert caught.value.reason == reason


def test_fields_that_a_newer_producer_added_are_ignored():
    envelope = CODEC.decode(record("solo", b'{"number": 3, "colour": "red"}', ce_type="Alone"))

    assert envelope.event == Alone(number=3)


def test_the_structured_mode_is_read():
    value = b"""{"specversion": "1.0", "id": "a1", "source": "/foreign", "type": "quote.named",
                 "time": "2026-01-02T03:04:05Z", "sequence": 7, "data": {"quote_id": 1, "title": "t"}}"""

    envelope = CODEC.decode(record("quotes", value, content__type="application/cloudevents+json; charset=utf-8"))

    assert envelope.event == Named(quote_id=1, title="t")
    assert (envelope.id, envelope.source) == ("a1", "/foreign")
    assert envelope.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"nope", "json"), (b"[]", "json"), (None, "json"), (b'{"type": "quote.named"}', "mode")],
)
def test_a_broken_structured_record_says_why(value, reason):
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(record("quotes", value, content__type="application/cloudevents+json"))

    assert caught.value.reason == reason


def test_a_time_that_is_none_is_left_out():
    envelope = CODEC.decode(record("solo", b'{"number": 3}', ce_time="yesterday"))

    assert envelope.time is None


def test_a_time_without_a_zone_is_taken_as_utc():
    envelope = CODEC.decode(record("solo", b'{"number": 3}', ce_time="2026-01-02T03:04:05"))

    assert envelope.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_header_that_is_null_is_as_if_it_were_not_there():
    nulls = (("ce_type", None), ("ce_id", None), ("content-type", None), ("traceparent", None), ("other", None))

    envelope = CODEC.decode(Record("test.solo", 3, 9, b"k", b'{"number": 3}', nulls))

    assert (envelope.event, envelope.id, envelope.traceparent) == (Alone(number=3), "test.solo/3/9@0", None)


def test_the_trace_is_passed_on_to_what_is_published_meanwhile():
    envelope = CODEC.decode(record("solo", b'{"number": 3}', traceparent="00-aa-bb-01"))

    with handling([envelope]):
        outgoing = CODEC.encode(Alone(number=4))

    assert placed(outgoing).header("traceparent") == b"00-aa-bb-01"


def test_the_inbox_knows_a_foreign_record_by_its_place_and_time():
    here, again, anew = (
        CODEC.decode(Record("test.solo", 3, 9, None, b'{"number": 3}', timestamp_ms=time)) for time in (5, 5, 6)
    )

    assert inbox_id(here) == inbox_id(again)
    assert inbox_id(here) != inbox_id(anew)  # the topic was made anew, and its offsets began again


@given(st.binary(), st.lists(st.tuples(st.sampled_from(["ce_type", "content-type", "ce_time", "x"]), st.binary())))
def test_any_bytes_become_an_envelope_or_a_clear_error(value, headers):
    for topic in ("quotes", "solo", "pair"):
        answer = reason_of(Record(f"test.{topic}", 0, 0, value, value, tuple(headers)))

        assert answer in {None, "untyped", "mode", "json", "schema"}


def reason_of(given_record):
    try:
        CODEC.decode(given_record)
    except Undecodable as error:
        return error.reason
    return None


@pytest.mark.parametrize(("given", "named"), [({"a": 1}, "not dict"), (Event, "not the class Event")])
def test_what_is_no_event_is_refused_with_what_it_is(given, named):
    with pytest.raises(InvalidEvent, match=named):
        Codec("tests").encode(given)
