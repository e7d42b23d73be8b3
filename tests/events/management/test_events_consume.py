"""`events_consume` as a door: what it refuses, and what it hands on."""

import pytest
from django.core.management import CommandError, call_command

from events.core import event as event_module
from events.core.registry import registry
from tests.effects import Happened, write


@pytest.fixture
def ran(monkeypatch):
    """What was handed to `lifespan.run`, which returns 0."""
    calls = []
    monkeypatch.setattr(
        "events.management.commands.events_consume.run", lambda *resources: calls.append(resources) or 0
    )
    monkeypatch.setattr(registry, "subscribers", [])
    monkeypatch.setattr(event_module, "declared", [Happened])
    registry.subscriber(Happened, name="note", group="shop")(write)
    registry.subscriber(Happened, name="count", group="office")(write)
    return calls


def roles(resources):
    return {resource.keywords["role"].consumes for resource in resources}


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        ([], ("office", "shop")),
        (["--group", "shop"], ("shop",)),
        (["--group=shop", "--group=office"], ("office", "shop")),
    ],
)
def test_it_runs_all_groups_or_those_that_are_named(ran, arguments, groups):
    call_command("events_consume", *arguments)

    assert [roles(resources) for resources in ran] == [{groups}]


def test_an_unknown_group_is_refused_with_the_known_ones(ran):
    with pytest.raises(CommandError, match=r"no group 'shp'.*office, shop"):
        call_command("events_consume", "--group", "shp")

    assert ran == []


def test_a_project_without_subscribers_is_told_where_they_are_looked_for(ran, monkeypatch):
    monkeypatch.setattr(registry, "subscribers", [])

    with pytest.raises(CommandError, match=r"No subscriber is declared: subscribers\.py .* INSTALLED_APPS"):
        call_command("events_consume")

    assert ran == []


@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_maximum_below_one_is_refused(ran, number):
    with pytest.raises(CommandError, match="from 1"):
        call_command("events_consume", f"--max-messages={number}")


def test_with_reload_djangos_autoreloader_runs_it(ran, monkeypatch):
    reloaded = []
    monkeypatch.setattr("events.management.commands.events_consume.run_with_reloader", reloaded.append)

    call_command("events_consume", "--reload")
    reloaded[0]()

    assert [roles(resources) for resources in ran] == [{("office", "shop")}]


def test_with_a_health_port_that_is_opened_first(ran):
    call_command("events_consume", "--health-port=0", "--health-host=0.0.0.0")

    (first, *others) = ran[0]
    assert first.keywords == {"host": "0.0.0.0", "port": 0}
    assert roles(others) == {("office", "shop")}


def test_a_bad_end_is_the_exit_code(ran, monkeypatch):
    monkeypatch.setattr("events.management.commands.events_consume.run", lambda *resources: 1)

    with pytest.raises(SystemExit) as end:
        call_command("events_consume")

    assert end.value.code == 1
