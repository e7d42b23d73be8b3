"""How far the relay may run ahead: by example, and for any order of sends and commits."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.core.broker import Partition, Place
from events.embedded.headroom import CROWDED_BYTES, FRAMING_BYTES, LIMIT_BYTES, Headroom, ask_positions
from events.embedded.mock import PARTITION_BYTES

QUOTES = Partition("quotes", 0)
OTHER = Partition("quotes", 1)
READERS = {"likes": ["quotes"], "search": ["quotes"]}


def ahead(limit=1000, **readers):
    headroom = Headroom(limit)
    headroom.groups(readers or READERS)
    return headroom


def send(headroom, offset, size, partition=QUOTES):
    headroom.sent(Place(*partition, offset), size - FRAMING_BYTES)


def test_at_first_there_is_room():
    assert ahead(1000).room() == 1000
    assert Headroom().room() == LIMIT_BYTES < PARTITION_BYTES


def test_what_was_sent_takes_room_until_every_group_has_committed_it():
    headroom = ahead(1000)
    send(headroom, 0, 300)
    send(headroom, 1, 400)
    assert headroom.room() == 300

    headroom.committed("likes", {QUOTES: 2})
    assert headroom.room() == 300

    headroom.committed("search", {QUOTES: 1})
    assert headroom.room() == 600


def test_it_is_never_below_nothing():
    headroom = ahead(1000)

    send(headroom, 0, 5000)

    assert headroom.room() == 0


def test_the_fullest_partition_decides():
    headroom = ahead(1000)

    send(headroom, 0, 300)
    send(headroom, 0, 700, OTHER)

    assert headroom.room() == 300


def test_a_topic_that_no_group_reads_takes_no_room():
    headroom = ahead(1000, search=["users"])

    send(headroom, 0, 5000)

    assert headroom.room() == 1000
    assert headroom.to_ask() == {}


def test_a_group_that_has_committed_nothing_is_at_the_beginning():
    headroom = ahead(1000, likes=["quotes"])
    send(headroom, 0, 300)

    headroom.committed("likes", {QUOTES: None})

    assert headroom.room() == 700


def test_what_an_earlier_relay_sent_leaves_no_room_until_it_is_committed():
    headroom = ahead(1000)
    headroom.found(QUOTES, 5)
    headroom.committed("likes", {QUOTES: 5})
    assert headroom.room() == 0

    headroom.committed("search", {QUOTES: 5})

    assert headroom.room() == 1000


def test_a_partition_whose_first_offset_is_not_zero_was_not_empty():
    headroom = ahead(1000, likes=["quotes"])

    send(headroom, 7, 100)
    assert headroom.room() == 0

    headroom.committed("likes", {QUOTES: 7})
    assert headroom.room() == 900


def test_offsets_of_others_count_with_the_mean_of_ours():
    headroom = ahead(10_000, likes=["quotes"])

    send(headroom, 0, 200)
    send(headroom, 1, 400)
    send(headroom, 5, 200)  # 2, 3 and 4 are somebody else's

    assert headroom.room() == 10_000 - 800 - 3 * 300


def test_a_group_that_joins_later_waits_for_what_is_still_there():
    headroom = ahead(1000, likes=["quotes"])
    send(headroom, 0, 600)
    headroom.committed("likes", {QUOTES: 1})
    assert headroom.room() == 1000

    headroom.groups(READERS)

    assert headroom.room() == 400


def test_only_what_is_not_read_to_the_end_is_asked_for():
    headroom = ahead(1000)
    send(headroom, 0, 100)
    send(headroom, 0, 100, OTHER)

    headroom.committed("likes", {QUOTES: 1})

    assert headroom.to_ask() == {"likes": [OTHER], "search": [QUOTES, OTHER]}


async def test_the_positions_are_asked_of_the_broker():
    headroom = ahead(1000)
    send(headroom, 0, 100)
    asked = []

    async def ask(group, partitions):
        asked.append((group, list(partitions)))
        return {QUOTES: 1} if group == "likes" else {QUOTES: None}

    await ask_positions(headroom, ask)

    assert asked == [("likes", [QUOTES]), ("search", [QUOTES])]
    assert headroom.to_ask() == {"search": [QUOTES]}


def test_a_crowded_partition_is_told_once_and_again_after_it_was_empty():
    headroom = ahead(LIMIT_BYTES, likes=["quotes"])
    send(headroom, 0, CROWDED_BYTES - 1)
    assert list(headroom.warnings()) == []

    send(headroom, 1, 101)
    (told,) = headroom.warnings()
    assert told.startswith("quotes/0: 3,145,828 bytes of 5 MiB")
    assert "group likes" in told
    assert list(headroom.warnings()) == []

    headroom.committed("likes", {QUOTES: 2})
    assert list(headroom.warnings()) == []
    send(headroom, 2, CROWDED_BYTES)
    assert len(list(headroom.warnings())) == 1


def test_the_warning_comes_when_the_relay_begins_to_wait():
    headroom = ahead(LIMIT_BYTES, likes=["quotes"])

    send(headroom, 0, CROWDED_BYTES)

    assert len(list(headroom.warnings())) == 1
    assert headroom.room() == 0


def test_a_partition_that_no_group_reads_is_told_once():
    headroom = ahead(search=["users"])
    send(headroom, 0, CROWDED_BYTES - 101)
    assert list(headroom.warnings()) == []

    send(headroom, 1, 101)
    (told,) = headroom.warnings()
    send(headroom, 2, CROWDED_BYTES)

    assert told.startswith("quotes/0: 3,145,728 bytes were sent")
    assert "No group reads them" in told
    assert list(headroom.warnings()) == []
    assert headroom.room() == 1000


def test_waiting_for_what_an_earlier_run_sent_is_told():
    headroom = ahead(likes=["quotes"])
    headroom.found(QUOTES, 3)

    (told,) = headroom.warnings()

    assert "what an earlier run sent" in told
    assert "holds everything back until group likes has read it" in told
    assert "events_broker --stop" in told
    assert "From " not in told


def test_a_group_that_is_gone_is_not_waited_for_and_starts_anew_when_it_comes_back():
    headroom = ahead(1000)
    headroom.found(QUOTES, 3)
    headroom.committed("likes", {QUOTES: 3})
    assert headroom.room() == 0

    headroom.groups({"likes": ["quotes"]})
    assert headroom.room() == 1000

    headroom.groups({})
    headroom.groups({"likes": ["quotes"]})
    assert headroom.to_ask() == {"likes": [QUOTES]}


@pytest.mark.parametrize("step", [1, 7])
def test_it_forgets_what_the_broker_has_dropped(step):
    headroom = ahead(LIMIT_BYTES, likes=["quotes"])
    count = 30_000

    for offset in range(0, count * step, step):
        send(headroom, offset, 1000 // step)
        headroom.committed("likes", {QUOTES: offset + 1})

    assert headroom.room() == LIMIT_BYTES
    assert len(headroom._logs[QUOTES]._offsets) < count


sends = st.tuples(st.just("send"), st.integers(0, 1), st.lists(st.integers(0, 400), min_size=1, max_size=5))
commits = st.tuples(st.just("commit"), st.sampled_from([*READERS]), st.integers(0, 1), st.integers(0, 60))
joins = st.tuples(st.just("others"), st.integers(0, 1), st.integers(1, 3))


class World:
    """A broker that remembers every size, and a relay that obeys `room()`. Batches are up to 5 records."""

    LIMIT = 1500

    def __init__(self):
        self.logs = {QUOTES: [], OTHER: []}
        self.positions = defaultdict(int)
        self.headroom = ahead(self.LIMIT)
        self.largest_batch = 0

    def send(self, number, sizes):
        if self.headroom.room() == 0:
            return
        log = self.logs[Partition("quotes", number)]
        for size in sizes:
            self.headroom.sent(Place("quotes", number, len(log)), size)
            log.append(size + FRAMING_BYTES)
        self.largest_batch = max(self.largest_batch, sum(sizes) + FRAMING_BYTES * len(sizes))

    def commit(self, group, number, offset):
        partition = Partition("quotes", number)
        self.positions[group, partition] = max(self.positions[group, partition], min(offset, len(self.logs[partition])))
        self.headroom.committed(group, {partition: self.positions[group, partition]})

    def others(self, number, count):
        self.logs[Partition("quotes", number)].extend([0] * count)  # their bytes are not ours to promise

    def unread(self, partition):
        return sum(self.logs[partition][min(self.positions[group, partition] for group in READERS) :])


@settings(max_examples=300, deadline=None)
@given(st.lists(sends | commits | joins, max_size=60))
def test_a_relay_that_obeys_is_never_further_ahead_than_the_limit_and_one_batch(steps):
    world = World()

    for name, *arguments in steps:
        getattr(world, name)(*arguments)

        for partition in world.logs:
            assert world.unread(partition) <= world.LIMIT + world.largest_batch


@settings(max_examples=100, deadline=None)
@given(st.lists(sends | commits | joins, max_size=60))
def test_once_all_is_committed_there_is_all_the_room(steps):
    world = World()
    for name, *arguments in steps:
        getattr(world, name)(*arguments)

    for number, log in enumerate(world.logs.values()):
        for group in READERS:
            world.commit(group, number, len(log))

    assert world.headroom.room() == world.LIMIT
    assert world.headroom.to_ask() == {}
