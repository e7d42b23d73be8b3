"""`plan`: who in a group works on which partition.

The plan follows from what the members say of themselves and from nothing else, so that a leader that dies costs
nothing. A partition that somebody works on stays with him; the rest goes to the member with the least. The same
input always gives the same plan.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from events.core.broker import Partition


@dataclass(frozen=True, slots=True)
class Member:
    """What a member says of itself when it joins.

    `topics`: those it wants. `claims`: the partitions it works on. `generation`: of the assignment that gave it
    those; of two members that claim one partition the later generation is right. `leaving`: it wants nothing new.
    """

    topics: frozenset[str]
    claims: tuple[Partition, ...] = ()
    generation: int = -1
    leaving: bool = False


def plan(members: Mapping[str, Member], partitions: Mapping[str, int]) -> dict[str, list[Partition]]:
    """The partitions of each member, sorted. `partitions`: how many each topic has; others do not exist.

    Where nothing is claimed and all want the same topics, no member has more than one partition more than another,
    in all and of each topic.
    """
    owners = _claimed(members, partitions)
    _spread(owners, members, partitions=partitions)
    result: dict[str, list[Partition]] = {name: [] for name in members}
    for partition in sorted(owners):
        result[owners[partition]].append(partition)
    return result


def _claimed(members: Mapping[str, Member], partitions: Mapping[str, int]) -> dict[Partition, str]:
    """Who keeps what: the claims that can be, the latest generation first."""
    owners: dict[Partition, str] = {}
    for name in sorted(members, key=lambda name: (-members[name].generation, name)):
        for claim in members[name].claims:
            if claim.topic in members[name].topics and 0 <= claim.number < partitions.get(claim.topic, 0):
                owners.setdefault(claim, name)
    return owners


def _spread(owners: dict[Partition, str], members: Mapping[str, Member], *, partitions: Mapping[str, int]) -> None:
    """Give every partition without an owner to the one with the least, in all and then of its topic."""
    load = Counter(owners.values())
    load_of_topic = Counter((name, partition.topic) for partition, name in owners.items())
    candidates = {topic: _candidates(members, topic) for topic in partitions}
    for topic in sorted(partitions, key=lambda topic: (len(candidates[topic]), topic)):
        for number in range(partitions[topic] if candidates[topic] else 0):
            if (partition := Partition(topic, number)) not in owners:
                least = min((load[name], load_of_topic[name, topic], name) for name in candidates[topic])[-1]
                owners[partition] = least
                load[least] += 1
                load_of_topic[least, topic] += 1


def _candidates(members: Mapping[str, Member], topic: str) -> list[str]:
    """Who may be given partitions of a topic: those who want it and stay; those who leave only if nobody stays."""
    wanting: Iterable[str] = [name for name in sorted(members) if topic in members[name].topics]
    return [name for name in wanting if not members[name].leaving] or list(wanting)
