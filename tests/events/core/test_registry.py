"""The registry: who wants what, which groups follow, and which declarations are refused."""

import pytest

from events import Event
from events.core.errors import InvalidDeclaration
from events.core.registry import DeclaredRegistry, Registry
from events.core.registry import registry as default_registry


class Sold(Event, topic="shop", key="item"):
    item: int


class Returned(Event, topic="shop", key="item"):
    item: int


class Shipped(Event, topic="parcels", key="parcel"):
    parcel: int


class Abstract(Event):
    pass


def test_a_subscriber_is_named_after_its_function_unless_it_says_otherwise():
    registry = Registry()

    @registry.subscriber(Sold)
    def count(event): ...

    @registry.subscriber(Sold, name="other")
    def count_too(event): ...

    assert [one.name for one in registry.subscribers] == ["count", "other"]


def test_the_decorator_hands_the_function_back_as_it_is():
    def count(event): ...

    assert Registry().subscriber(Sold)(count) is count


def test_subscribers_share_a_group_until_one_needs_its_own():
    registry = Registry()
    registry.subscriber(Sold)(named("plain"))
    registry.subscriber(Shipped, group="parcels")(named("posted"))
    registry.subscriber(Sold, batch=10)(named("many"))
    registry.subscriber(Sold, atomic=False, concurrency=256)(named("fast"))
    registry.subscriber(Returned)(named("back"))

    groups = registry.groups("shop")

    assert sorted(groups) == ["parcels", "shop", "shop.fast", "shop.many"]
    assert [one.name for one in groups["shop"].subscribers] == ["plain", "back"]
    assert (groups["shop.many"].batch, groups["shop"].batch) == (10, 1)
    assert (groups["shop.fast"].concurrency, groups["shop"].concurrency) == (256, None)
    assert groups["shop"].topics == {"shop"}


def test_an_event_class_is_found_by_topic_and_type():
    registry = Registry()
    registry.subscriber(Sold, Shipped)(named("both"))

    assert registry.find("shop", "Sold") is Sold
    assert registry.find("parcels", "Sold") is None
    assert registry.of_topic("shop") == [Sold]
    assert registry.topics() == ["parcels", "shop"]


def test_a_registry_knows_classes_that_nobody_subscribes_to_when_they_are_given():
    assert Registry(event_classes=[Returned]).topics() == ["shop"]


def test_the_default_registry_knows_every_declared_class():
    assert isinstance(default_registry, DeclaredRegistry)
    assert {Sold, Returned, Shipped} <= set(default_registry.events())


def test_async_functions_are_told_apart():
    registry = Registry()

    @registry.subscriber(Sold)
    async def later(event): ...

    registry.subscriber(Sold)(named("now"))

    assert [one.is_async for one in registry.subscribers] == [True, False]


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        ((), {}, "name one to three classes"),
        ((int,), {}, "name one to three classes"),
        ((Abstract,), {}, "each with a topic"),
        ((Sold,), {"name": "with space"}, "letters, digits and underscores"),
        ((Sold,), {"name": "x" * 101}, "100 at most"),
        ((Sold,), {"group": "with space"}, "group= must be 1 to 249 letters"),
        ((Sold,), {"group": ""}, "group= must be 1 to 249 letters"),
        ((Sold,), {"batch": 0}, "batch= must be a whole number from 1, not 0"),
        ((Sold,), {"batch": True}, "batch= must be a whole number"),
        ((Sold,), {"concurrency": 2.5}, "concurrency= must be a whole number from 1, not 2.5"),
    ],
)
def test_what_cannot_work_is_refused_at_the_declaration(events, options, message):
    registry = Registry()

    with pytest.raises(InvalidDeclaration, match=message):
        registry.subscriber(*events, **options)(named("wrong"))

    assert registry.subscribers == []


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="retries"):
        Registry().subscriber(Sold, retries=3)(named("wrong"))


def test_a_name_is_taken_once_in_a_group():
    registry = Registry()
    registry.subscriber(Sold, group="a")(named("count"))
    registry.subscriber(Sold, group="b")(named("count"))

    with pytest.raises(InvalidDeclaration, match="the name is taken"):
        registry.subscriber(Shipped, group="b")(named("count"))


def test_two_of_one_name_are_refused_where_the_default_group_turns_out_to_be_theirs():
    registry = Registry()
    registry.subscriber(Sold)(named("count"))
    registry.subscriber(Shipped, group="shop")(named("count"))

    with pytest.raises(InvalidDeclaration, match="Group 'shop' has 2 subscribers 'count'"):
        registry.groups("shop")

    assert sorted(registry.groups("other")) == ["other", "shop"]


def test_two_that_stand_alone_under_one_name_are_refused():
    registry = Registry()
    registry.subscriber(Sold, batch=5)(named("count"))
    registry.subscriber(Shipped, group="shop", concurrency=5)(named("count"))

    with pytest.raises(InvalidDeclaration, match="Group 'shop' has 2 subscribers 'count'"):
        registry.groups("shop")


def test_nobody_joins_the_group_of_a_subscriber_that_stands_alone():
    registry = Registry()
    registry.subscriber(Sold, batch=500)(named("mail"))
    registry.subscriber(Sold, group="shop.mail")(named("plain"))

    with pytest.raises(InvalidDeclaration, match="'shop.mail' belongs to the subscriber 'mail' alone.*'plain' would"):
        registry.groups("shop")


@pytest.mark.parametrize(
    "function",
    [lambda: None, lambda event, more: None, lambda *, event: None],
    ids=["none", "two", "keyword only"],
)
def test_a_subscriber_takes_exactly_one_argument(function):
    with pytest.raises(InvalidDeclaration, match="exactly one argument"):
        Registry().subscriber(Sold, name="wrong")(function)


def test_without_parentheses_it_says_what_to_write():
    with pytest.raises(InvalidDeclaration, match=r"write @subscriber\(QuoteCreated\)"):

        @Registry().subscriber
        def count(event): ...


def test_one_that_stands_alone_and_one_that_does_not_cannot_share_a_name():
    registry = Registry()
    registry.subscriber(Sold, batch=5)(named("count"))
    registry.subscriber(Shipped, group="shop")(named("count"))

    with pytest.raises(InvalidDeclaration, match="Group 'shop' has 2 subscribers 'count'"):
        registry.groups("shop")


@pytest.mark.parametrize("options", [{}, {"batch": 5}, {"concurrency": 5}, {"atomic": False}])
def test_a_group_knows_where_its_subscribers_were_declared(options):
    registry = Registry()
    registry.subscriber(Sold, **options)(named("count"))

    (group,) = registry.groups("shop").values()

    assert group.declared == "shop"


def test_arguments_with_defaults_are_no_hindrance():
    Registry().subscriber(Sold, name="right")(lambda event, *more, limit=3, **options: None)


def named(name):
    def function(event): ...

    function.__name__ = name
    return function


def test_a_broadcast_subscriber_is_in_no_group_and_has_no_transaction():
    registry = Registry()
    registry.subscriber(Sold)(named("count"))
    registry.subscriber(Sold, Shipped, broadcast=True)(named("push"))

    broadcast = registry.broadcasts()["push"]

    assert list(registry.broadcasts()) == ["push"]
    assert (broadcast.atomic, broadcast.topics) == (False, {"shop", "parcels"})
    assert [one.name for group in registry.groups("shop").values() for one in group.subscribers] == ["count"]
    assert registry.topics() == ["parcels", "shop"]


@pytest.mark.parametrize("option", [{"atomic": True}, {"group": "a"}, {"batch": 5}, {"concurrency": 5}])
def test_a_broadcast_is_refused_what_makes_no_sense_for_it(option):
    with pytest.raises(InvalidDeclaration, match=f"@subscriber 'push': broadcast=True .*: leave out {[*option][0]}="):
        Registry().subscriber(Sold, broadcast=True, **option)(named("push"))


def test_the_names_of_broadcasts_are_their_own():
    registry = Registry()
    registry.subscriber(Sold)(named("push"))
    registry.subscriber(Sold, broadcast=True)(named("push"))

    with pytest.raises(InvalidDeclaration, match="the name is taken among the broadcast subscribers"):
        registry.subscriber(Shipped, broadcast=True)(named("push"))

    assert registry.group_problems("shop") == []
