"""System checks: each says what is wrong and what to change, without a broker."""

import pytest
from django.core.checks import run_checks
from django.db import connections

from events import Event
from events.checks import _events, _groups, _topics, check, check_deploy
from events.conf import Config
from events.core import event
from events.core.registry import Registry


def ids(messages):
    return [message.id.removeprefix("kafka_events.") for message in messages]


@pytest.fixture(autouse=True)
def _undeclared(monkeypatch):
    """Event classes of tests stay unknown to the default registry, whose check would find them."""
    monkeypatch.setattr(event, "declared", [])


@pytest.mark.django_db  # Django's own check of a JSONField asks SQLite
def test_the_settings_of_the_tests_pass_and_django_knows_the_checks(settings):
    assert [one for one in run_checks() if one.id.startswith("kafka_events")] == []
    settings.EVENTS = {"GRUOP": "x"}
    assert "kafka_events.E001" in [one.id for one in run_checks()]


def test_a_malformed_setting_is_named_with_the_nearest_key(settings):
    settings.EVENTS = {"GRUOP": "x", "RUN": ["everything"]}

    messages = check()

    assert ids(messages) == ["E001", "E001"]
    assert "GROUP" in messages[0].msg
    assert check_deploy() == []


def test_two_classes_of_one_topic_and_type_are_an_error():
    class First(Event, topic="checked", type="same"):
        pass

    class Second(Event, topic="checked", type="same"):
        pass

    class Elsewhere(Event, topic="checked-elsewhere", type="same"):
        pass

    assert ids(_events(Registry(event_classes=[First, Second, Elsewhere]))) == ["E002"]
    assert ids(_events(Registry(event_classes=[First, Elsewhere]))) == []


def test_a_subscriber_without_a_group_needs_the_default_one():
    registry = Registry()

    class First(Event, topic="checked"):
        pass

    @registry.subscriber(First)
    def lonely(event):
        pass

    @registry.subscriber(First, group="own")
    def settled(event):
        pass

    [message] = _groups(registry, Config())
    assert message.id == "kafka_events.E003"
    assert "lonely" in message.msg
    assert "settled" not in message.msg
    assert list(_groups(registry, Config(GROUP="x"))) == []


def test_two_subscribers_that_get_into_each_others_way_are_an_error():
    registry = Registry()

    class First(Event, topic="checked"):
        pass

    registry.subscriber(First, name="count")(lambda event: None)
    registry.subscriber(First, name="count", group="shop")(lambda event: None)
    registry.subscriber(First, name="mail", batch=5)(lambda events: None)
    registry.subscriber(First, name="other", group="shop.mail")(lambda event: None)

    messages = list(_groups(registry, Config(GROUP="shop")))

    assert ids(messages) == ["E007", "E007"]
    assert "'count'" in messages[0].msg
    assert "'shop.mail'" in messages[1].msg
    assert list(_groups(registry, Config(GROUP="else"))) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"DRAIN": 59}, []),
        ({"DRAIN": 60}, ["E008"]),
        ({"DRAIN": 10, "CONSUMER": {"rebalance_timeout_ms": 10_000}}, ["E008"]),
        ({"DRAIN": 65, "CONSUMER": {"rebalance_timeout_ms": 66_000}}, []),
    ],
)
def test_a_drain_must_end_before_the_rebalance_does(settings, given, expected):
    settings.EVENTS = {**settings.EVENTS, **given}

    assert ids(check()) == expected


def test_an_unknown_database_is_an_error_that_names_the_known_ones(settings):
    settings.EVENTS = {**settings.EVENTS, "DATABASE": "elsewhere"}

    [message] = check()

    assert message.id == "kafka_events.E004"
    assert "default" in message.hint


def test_what_the_client_does_not_take_is_an_error_without_the_value(settings):
    settings.EVENTS = {**settings.EVENTS, "PRODUCER": {"sasl_pasword": "secret"}}

    messages = check()

    assert ids(messages) == ["E005"]
    assert "secret" not in str(messages)


def test_no_address_without_debug_is_an_error_of_deployment(settings):
    assert ids(check_deploy()) == ["E006"]

    settings.EVENTS = {**settings.EVENTS, "BOOTSTRAP_SERVERS": "kafka:9092"}
    assert "E006" not in ids(check_deploy())


def test_a_connection_in_plain_text_is_a_warning_of_deployment(settings):
    settings.EVENTS = {**settings.EVENTS, "BOOTSTRAP_SERVERS": "kafka:9092", "CONSUMER": {"security_protocol": "SSL"}}

    [message] = check_deploy()

    assert message.id == "kafka_events.W004"
    assert "PRODUCER" in message.msg


def test_a_bare_sqlite_is_told_what_it_lacks(settings, monkeypatch):
    bare = {**connections.settings["default"], "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "default", bare)

    messages = check()

    assert ids(messages) == ["W001", "W002", "W003"]
    assert all("OPTIONS" in message.hint for message in messages)


def test_sizes_for_a_topic_that_nobody_declares_are_a_warning():
    class First(Event, topic="checked"):
        pass

    registry = Registry(event_classes=[First])

    [message] = _topics(registry, Config(TOPICS={"checked": {"partitions": 3}, "cheked": {"partitions": 3}}))

    assert message.id == "kafka_events.W006"
    assert "'cheked'" in message.msg
    assert "checked" in message.hint
