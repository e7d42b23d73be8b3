"""`Assignor`: how the members of a group tell each other what they work on, and who gets what.

aiokafka calls it around every join. An instance belongs to one consumer: the user data of a member is its own. All
our members use this name and this user data from the first day, so that another rebalancing mode can be rolled out
one process at a time.

    every member   metadata(topics)           what I work on, as JSON
    the leader     assign(cluster, members)   events.core.assignment.plan
    every member   on_assignment(...)         take over; called before the fetcher runs
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from events.core.assignment import Member, plan
from events.core.broker import Claim, Partition

NAME = "kafka-events"
VERSION = 1
_PROTOCOL_VERSION = 0


@dataclass(frozen=True, slots=True)
class Claims:
    """What a member says of itself: the generation of its last assignment, and the partitions it works on."""

    generation: int
    partitions: tuple[Claim, ...]


class Assignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Our assignor. `claims` is asked at every join, `assigned` is told every assignment. Both are synchronous."""

    name = NAME

    def __init__(self, claims: Callable[[], Claims], assigned: Callable[[list[Partition]], None]) -> None:
        self._claims, self._assigned = claims, assigned

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells the leader."""
        return ConsumerProtocolMemberMetadata(_PROTOCOL_VERSION, sorted(topics), to_bytes(self._claims()))

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The leader's work: everybody's partitions."""
        described = {name: member_of(one.subscription, one.user_data) for name, one in members.items()}
        topics = {topic for member in described.values() for topic in member.topics}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        return {name: _assignment(partitions) for name, partitions in plan(described, counts).items()}

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Hand the assignment on."""
        self._assigned([Partition(topic, number) for topic, number in assignment.partitions()])


def to_bytes(claims: Claims) -> bytes:
    """The user data of a member, as compact JSON. `own` holds all claims, `drain` those being given up."""
    data = {
        "v": VERSION,
        "gen": claims.generation,
        "own": _by_topic(one.partition for one in claims.partitions),
        "drain": _by_topic(one.partition for one in claims.partitions if one.draining),
        "leave": False,
    }
    return json.dumps(data, separators=(",", ":")).encode()


def member_of(topics: Iterable[str], user_data: bytes | None) -> Member:
    """A member as the plan needs it. Unknown, broken or empty user data claims nothing."""
    wanted = frozenset(topics)
    try:
        data = json.loads(user_data or b"")
        if data["v"] != VERSION:
            return Member(wanted)
        claims = tuple(Partition(str(topic), int(number)) for topic, numbers in data["own"] for number in numbers)
        return Member(wanted, claims, int(data["gen"]), leaving=data.get("leave") is True)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Member(wanted)


def _by_topic(partitions: Iterable[Partition]) -> list[list[Any]]:
    """`[[topic, [number, …]], …]`, each topic once, in the order given: that is the order of cheapness."""
    result: dict[str, list[int]] = {}
    for partition in partitions:
        result.setdefault(partition.topic, []).append(partition.number)
    return [[topic, numbers] for topic, numbers in result.items()]


def _assignment(partitions: Iterable[Partition]) -> ConsumerProtocolMemberAssignment:
    user_data = json.dumps({"v": VERSION}, separators=(",", ":")).encode()
    by_topic = [(topic, numbers) for topic, numbers in _by_topic(partitions)]
    return ConsumerProtocolMemberAssignment(_PROTOCOL_VERSION, by_topic, user_data)
