"""What the embedded broker is told about a project."""

import pytest

from events.core.errors import EmbeddedBrokerRefused
from events.core.event import Event
from events.core.registry import Registry
from events.development import embedded_use


class Opened(Event, topic="doors", key="door"):
    door: str


class Rung(Event, topic="bells", key="bell"):
    bell: str


@pytest.fixture
def declared():
    registry = Registry(event_classes=[Opened, Rung])

    @registry.subscriber(Opened)
    def log(event):
        """Nothing."""

    @registry.subscriber(Opened, Rung, group="alarm")
    def wake(event):
        """Nothing."""

    return registry


def test_topics_and_groups_carry_the_prefix(settings, declared):
    settings.DEBUG = True
    settings.EVENTS = {"PREFIX": "dev.", "GROUP": "house", "PARTITIONS": 3, "TOPICS": {"bells": {"partitions": 1}}}

    use = embedded_use(declared=declared)

    assert use.topics == {"dev.bells": 1, "dev.doors": 3}
    assert use.groups == {"dev.house": ["dev.doors"], "dev.alarm": ["dev.bells", "dev.doors"]}


def test_it_is_refused_without_debug(settings, declared):
    settings.DEBUG = False

    with pytest.raises(EmbeddedBrokerRefused):
        embedded_use(declared=declared)
