"""The relay's room, over a broker that is a dictionary."""

from contextlib import asynccontextmanager

import pytest

from events.core.broker import Partition, Place
from events.embedded.headroom import CROWDED_BYTES, FRAMING_BYTES
from events.embedded.room import BrokerRoom

QUOTES = Partition("quotes", 0)


class Asked:
    """What a broker knows, and how often it was asked."""

    def __init__(self):
        self.end, self.position, self.questions = 0, None, 0

    @asynccontextmanager
    async def opened(self):
        self.questions += 1
        yield self

    async def committed(self, group, partitions):
        return dict.fromkeys(partitions, self.position)

    async def ends(self, partitions):
        return dict.fromkeys(partitions, self.end)


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def groups():
    return {"likes": ["quotes"]}


@pytest.fixture
def room(asked, groups):
    return BrokerRoom({"quotes": 1}, lambda: groups, open_positions=asked.opened, limit_bytes=1000)


async def test_it_asks_at_first_and_then_only_when_room_gets_short(room, asked):
    assert await room.room() == 1000
    room.sent(Place(*QUOTES, 0), 400 - FRAMING_BYTES)
    assert await room.room() == 600
    assert asked.questions == 1

    room.sent(Place(*QUOTES, 1), 400 - FRAMING_BYTES)

    assert await room.room() == 200
    assert asked.questions == 2


async def test_what_was_committed_meanwhile_makes_room(room, asked):
    await room.room()
    room.sent(Place(*QUOTES, 0), 1000)
    assert await room.room() == 0

    asked.position = 1

    assert await room.room() == 1000


async def test_what_an_earlier_relay_sent_is_waited_for_and_said(room, asked, caplog):
    asked.end = 3
    assert await room.room() == 0
    assert "what an earlier run sent" in caplog.text

    asked.position = 3

    assert await room.room() == 1000


async def test_a_group_that_another_process_declares_later_is_waited_for_too(room, asked, groups):
    groups.clear()
    await room.room()
    room.sent(Place(*QUOTES, 0), 1000)
    assert await room.room() == 1000

    groups["search"] = ["quotes"]

    assert await room.room() == 0


async def test_a_partition_that_no_group_reads_is_warned_of_though_there_is_room(room, groups, asked, caplog):
    groups.clear()
    await room.room()
    room.sent(Place(*QUOTES, 0), CROWDED_BYTES)

    assert await room.room() == 1000

    assert "No group reads them" in caplog.text
    assert asked.questions == 1


async def test_an_error_at_the_first_question_is_asked_again(room, asked, monkeypatch):
    async def fail(partitions):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(asked, "ends", fail)
        with pytest.raises(ConnectionError):
            await room.room()

    asked.end = 3
    assert await room.room() == 0
