"""`events_relay` as a door."""

import pytest
from django.core.management import CommandError, call_command

from events import outbox
from events.core.errors import BrokerUnavailable
from tests.events.relaying import Counted, publish_all, rows

PLACE = "events.management.commands.events_relay"


@pytest.fixture
def once(monkeypatch):
    """Say how many rows were sent, and how many are left."""

    def once(sent, left):
        async def relay_once():
            return sent

        monkeypatch.setattr(f"{PLACE}.relay_once", relay_once)
        monkeypatch.setattr(outbox, "waiting", lambda: left)
        call_command("events_relay", "--once")

    return once


def test_once_says_how_many_were_sent(once, capsys):
    once(3, 0)

    assert capsys.readouterr().out == "3 sent.\n"


def test_once_with_an_empty_outbox_says_that_kafka_was_not_asked(once, capsys):
    once(0, 0)

    assert "Kafka was not asked" in capsys.readouterr().out


def test_once_with_rows_left_is_an_error_that_counts_them(once):
    with pytest.raises(CommandError, match="3 sent, 2 left"):
        once(3, 2)


def test_once_counts_a_refused_row_as_left(outbox_database, monkeypatch):
    publish_all(outbox_database, Counted(key="a", number=1))
    outbox.refuse(rows(outbox_database)[0], "too large")

    async def relay_once():
        return 0

    monkeypatch.setattr(f"{PLACE}.relay_once", relay_once)

    with pytest.raises(CommandError, match="0 sent, 1 left"):
        call_command("events_relay", "--once")


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
