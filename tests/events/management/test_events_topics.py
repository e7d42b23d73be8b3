"""`manage.py events_topics`: what differs, its exit codes, and creating what is missing."""

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from events import topics
from events.core.event import Event
from events.core.registry import Registry
from events.topics import Shape
from tests.brokers import mock_cluster

__all__ = ["mock_cluster"]


class Opened(Event, topic="doors", key="door"):
    door: str


class Rung(Event, topic="bells", key="bell"):
    bell: str


def run(*options):
    """What it printed, and its exit code."""
    said = StringIO()
    try:
        call_command("events_topics", *options, stdout=said)
    except SystemExit as ended:
        return said.getvalue(), ended.code
    return said.getvalue(), 0


def test_topics_are_wanted_as_the_settings_say(settings):
    settings.EVENTS = {
        "BOOTSTRAP_SERVERS": "kafka:9092",
        "PREFIX": "dev.",
        "PARTITIONS": 12,
        "TOPICS": {"bells": {"partitions": 1, "replication": 2}},
    }

    wanted = topics.declared(Registry(event_classes=[Opened, Rung]))

    assert wanted == {"dev.doors": Shape(12, 3), "dev.bells": Shape(1, 2)}


def test_differences_are_printed_and_give_exit_code_1(settings, mock_cluster, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": mock_cluster.address}
    monkeypatch.setattr(topics, "declared", lambda: {"bells": Shape(2, 1), "doors": Shape(6, 1), "gates": Shape(1, 1)})
    mock_cluster.create_topic("bells", 2)
    mock_cluster.create_topic("gates", 3)

    said, code = run()

    assert code == 1
    assert said.splitlines() == [
        "doors: missing; wanted 6 partitions, 1 replica",
        "gates: more partitions; wanted 1 partition, 1 replica; found 3 partitions, 1 replica",
        "Create what is missing: manage.py events_topics --apply",
        "A topic that is there is never changed here: that would move keys or data.",
    ]
    assert mock_cluster.create_topic("doors", 1) is True


def test_when_all_is_as_wanted_the_exit_code_is_0(settings, mock_cluster, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": mock_cluster.address}
    monkeypatch.setattr(topics, "declared", lambda: {"bells": Shape(2, 1)})
    mock_cluster.create_topic("bells", 2)

    assert run() == ("Nothing differs. Declared: 1 topic.\n", 0)


def test_a_project_without_topics_is_told_where_they_are_looked_for(settings, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    monkeypatch.setattr(topics, "declared", dict)

    said, code = run()

    assert code == 0
    assert "none are declared: contracts.py and subscribers.py" in said


def test_without_an_answer_the_exit_code_is_2(settings):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": "127.0.0.1:1"}

    with pytest.raises(CommandError, match="No broker answers at 127.0.0.1:1.") as caught:
        run()

    assert caught.value.returncode == 2


def test_apply_creates_what_is_missing_and_changes_nothing_else(settings, kafka_server, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": kafka_server.address}
    doors, bells = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("doors", "bells"))
    monkeypatch.setattr(topics, "declared", lambda: {doors: Shape(3, 1)})
    created, code = run("--apply")

    monkeypatch.setattr(topics, "declared", lambda: {doors: Shape(5, 1), bells: Shape(2, 1)})
    said, differs = run("--apply")

    assert (created, code) == (f"{doors}: created, 3 partitions, 1 replica\nNothing differs. Declared: 1 topic.\n", 0)
    assert differs == 1
    assert said.splitlines()[:2] == [
        f"{bells}: created, 2 partitions, 1 replica",
        f"{doors}: fewer partitions; wanted 5 partitions, 1 replica; found 3 partitions, 1 replica",
    ]
    assert run()[0].count("fewer partitions") == 1


def test_a_topic_that_is_seen_late_is_compared_once_it_is_seen(settings, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    monkeypatch.setattr(topics, "declared", lambda: {"doors": Shape(5, 1)})
    seen = iter([{}, {}, {"doors": Shape(3, 1)}])

    async def read(connection):
        return next(seen)

    async def create(connection, missing):
        """Somebody else was faster: Kafka says that it is there."""

    monkeypatch.setattr(topics.topics, "read", read)
    monkeypatch.setattr(topics.topics, "create", create)
    said, code = run("--apply")

    assert (code, said.count("doors: fewer partitions; wanted 5 partitions")) == (1, 1)


def test_what_kafka_will_not_create_is_said_with_the_reason(settings, kafka_server, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": kafka_server.address}
    monkeypatch.setattr(topics, "declared", lambda: {"too-many-replicas": Shape(1, 3)})

    with pytest.raises(CommandError, match="too-many-replicas was not created.*REPLICATION"):
        run("--apply")
