"""`events_relay` as a door."""

import pytest
from django.core.management import CommandError, call_command

from events.core.errors import BrokerUnavailable

PLACE = "events.management.commands.events_relay"


def test_once_says_how_many_were_sent(monkeypatch, capsys):
    async def relay_once():
        return 3

    monkeypatch.setattr(f"{PLACE}.relay_once", relay_once)

    call_command("events_relay", "--once")

    assert capsys.readouterr().out == "3 sent.\n"


def test_once_with_kafka_away_is_an_error_with_a_sentence(monkeypatch):
    async def relay_once():
        raise BrokerUnavailable("nobody answers")

    monkeypatch.setattr(f"{PLACE}.relay_once", relay_once)

    with pytest.raises(CommandError, match="nobody answers"):
        call_command("events_relay", "--once")


@pytest.mark.parametrize("code", [0, 1])
def test_without_it_the_relay_is_held_open_and_its_end_is_the_exit_code(monkeypatch, code):
    held = []
    monkeypatch.setattr(f"{PLACE}.run", lambda *resources: held.append(resources) or code)

    if code:
        with pytest.raises(SystemExit) as end:
            call_command("events_relay")
        assert end.value.code == code
    else:
        call_command("events_relay")

    assert [resource.keywords["role"].relays for resource in held[0]] == [True]
