"""The assignor: user data on the wire, and the plan in Kafka's shapes."""

import json

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from events.core.assignment import Member
from events.core.broker import Claim, Partition
from events.kafka.assignor import Assignor, Claims, member_of, to_bytes

A0, A1, B0 = Partition("a", 0), Partition("a", 1), Partition("b", 0)


class Cluster:
    def partitions_for_topic(self, topic):
        return {"a": {0, 1, 2, 3}}.get(topic)


def test_the_user_data_has_a_shape_that_later_versions_can_read():
    claims = Claims(7, (Claim(A1, draining=False), Claim(B0, draining=True), Claim(A0, draining=False)))

    assert json.loads(to_bytes(claims)) == {
        "v": 1,
        "gen": 7,
        "own": [["a", [1, 0]], ["b", [0]]],
        "drain": [["b", [0]]],
        "leave": False,
    }


def test_what_a_member_says_is_understood():
    claims = Claims(7, (Claim(A1, draining=False), Claim(B0, draining=True)))

    assert member_of(["a", "b"], to_bytes(claims)) == Member(frozenset("ab"), (A1, B0), 7)


@pytest.mark.parametrize("user_data", [None, b"", b"\x00\x01", b"[]", b'"v"', b'{"v":2}', b'{"v":1,"own":3,"gen":1}'])
def test_unknown_user_data_claims_nothing(user_data):
    assert member_of(["a"], user_data) == Member(frozenset("a"))


@given(st.binary(max_size=60))
def test_no_user_data_can_break_the_leader(user_data):
    assert member_of(["a"], user_data).topics == {"a"}


def test_the_leader_gives_each_member_its_part_in_kafkas_shape():
    leader = Assignor(lambda: Claims(-1, ()), lambda assigned: None)
    members = {name: ConsumerProtocolMemberMetadata(0, ["a", "unknown"], b"") for name in "mn"}

    result = leader.assign(Cluster(), members)

    assert {name: one.assignment for name, one in result.items()} == {"m": [("a", [0, 2])], "n": [("a", [1, 3])]}
    decoded = ConsumerProtocolMemberAssignment.decode(result["m"].encode())
    assert (decoded.assignment, decoded.user_data) == ([("a", [0, 2])], b'{"v":1}')


def test_two_consumers_of_one_process_speak_for_themselves():
    first = Assignor(lambda: Claims(1, (Claim(A0, draining=False),)), lambda assigned: None)
    second = Assignor(lambda: Claims(2, ()), lambda assigned: None)

    said = [json.loads(one.metadata({"a"}).user_data)["gen"] for one in (first, second)]

    assert said == [1, 2]
    assert first.name == second.name == "kafka-events"


def test_an_assignment_is_handed_on_at_once():
    taken = []
    assignor = Assignor(lambda: Claims(-1, ()), taken.extend)

    assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("a", [0, 1]), ("b", [0])], b""))

    assert taken == [A0, A1, B0]
