"""Ids: UUIDv7 as RFC 9562 says, and 16 bytes for any CloudEvent."""

import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from events.core.identity import event_id, uuid7


def test_a_uuid7_holds_the_time_its_version_and_its_variant():
    before = time.time_ns() // 1_000_000

    made = uuid7()

    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after
    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_ids_differ():
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_our_own_ids_are_kept():
    made = uuid7()

    assert event_id(str(made), "anywhere") == made


@given(st.text(), st.text(), st.text())
def test_other_ids_are_told_apart_by_their_source(id, one, other):
    assert (event_id(id, one) == event_id(id, other)) == (one == other)


def test_a_name_based_uuid_of_two_sources_is_two_events():
    given_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, "order-1"))

    assert event_id(given_id, "shop-a") != event_id(given_id, "shop-b")
