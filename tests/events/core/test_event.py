"""Event classes: what they are, and which declarations are refused."""

import msgspec
import pytest

from events import Event
from events.core.errors import InvalidDeclaration
from events.core.event import declaration, declared


class Painted(Event, topic="walls", key="wall"):
    wall: int
    colour: str = "white"


def test_an_event_is_frozen_and_keyword_only():
    painted = Painted(wall=1)

    with pytest.raises(TypeError):
        Painted(1)
    with pytest.raises(AttributeError):
        painted.colour = "red"


def test_the_type_on_the_wire_is_the_name_of_the_class_unless_given():
    class Renamed(Event, topic="walls", type="wall.painted"):
        pass

    assert declaration(Painted).type == "Painted"
    assert declaration(Renamed).type == "wall.painted"


def test_a_subclass_inherits_topic_and_key_but_not_the_type():
    class Repainted(Painted, type="again"):
        pass

    class Overpainted(Repainted):
        pass

    assert (declaration(Overpainted).topic, declaration(Overpainted).key) == ("walls", "wall")
    assert declaration(Overpainted).type == "Overpainted"


def test_a_base_without_a_topic_is_not_declared():
    class Base(Event):
        at: int

    class Child(Base, topic="walls", key="at"):
        pass

    assert Base not in declared
    assert Child in declared


def test_a_key_that_is_no_field_is_refused_and_the_fields_are_named():
    with pytest.raises(InvalidDeclaration, match=r"key='room' is not one of its fields \(wall\)"):

        class Wrong(Event, topic="walls", key="room"):
            wall: int


@pytest.mark.parametrize("topic", ["", "the walls", "walls/2", "w" * 250])
def test_a_topic_that_kafka_does_not_take_is_refused(topic):
    with pytest.raises(InvalidDeclaration, match="Wrong: topic= must be 1 to 249 letters"):

        class Wrong(Event, topic=topic):
            wall: int


def test_a_refused_class_is_not_declared():
    before = list(declared)

    with pytest.raises(InvalidDeclaration, match="it has none"):

        class Empty(Event, topic="walls", key="room"):
            pass

    assert declared == before


def test_options_of_msgspec_are_passed_on():
    class Strict(Event, topic="walls", forbid_unknown_fields=True):
        wall: int

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"wall": 1, "more": 2}', type=Strict)
