"""Fields that can come back from JSON, and those that cannot."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from events import Event
from events.core.errors import InvalidDeclaration


class Leaf(msgspec.Struct):
    width: int


class Tree(msgspec.Struct):
    parts: "list[Tree]"
    leaf: Leaf | None = None


class Other(msgspec.Struct):
    width: int


@dataclass
class Turned:
    by: complex


@pytest.mark.parametrize("kind", [int, object, Any, Tree, list[Leaf], tuple[Leaf, ...], msgspec.Raw, Leaf | None])
def test_what_can_be_decoded_is_declared(kind):
    class Grown(Event, topic="trees"):
        what: kind

    assert Grown.__event__.topic == "trees"


@pytest.mark.parametrize("kind", [complex, list[complex], dict[str, complex], Turned])
def test_what_json_does_not_have_is_refused_with_the_field(kind):
    with pytest.raises(InvalidDeclaration, match="Grown: what: JSON has nothing that becomes complex"):

        class Grown(Event, topic="trees"):
            what: kind


def test_what_msgspec_refuses_is_refused_in_its_words():
    with pytest.raises(InvalidDeclaration, match="Grown: .*must be tagged"):

        class Grown(Event, topic="trees"):
            what: Leaf | Other


def test_a_name_of_further_below_is_left_to_later():
    class Grown(Event, topic="trees"):
        what: "Nowhere"  # noqa: F821

    assert Grown.__event__.type == "Grown"
