"""`MemoryGroup`: the members of one consumer group of the in-memory broker, and its eager rebalances.

As in Kafka: every join and leave takes all partitions from all members, waits until each has given up, and deals them
out anew in the next generation. Committed positions belong to the group.

    join, leave, kick ──▶ every member: give_up, gate shut ──▶ generation + 1 ──▶ every member: apply, gate open
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from events.core.broker import Partition


class Member(Protocol):
    """What a group asks of its members."""

    topics: frozenset[str]

    async def revoke(self) -> None:
        """Give everything up, then let no commit pass."""

    def assign(self, partitions: list[Partition]) -> None:
        """Take these over."""


class MemoryGroup:
    """One group. `committed`: where to start again. `generation`: how often the partitions were dealt out."""

    def __init__(self, partitions_of: Callable[[str], Iterable[Partition]]) -> None:
        self.members: list[Member] = []
        self.committed: dict[Partition, int] = {}
        self.generation = 0
        self._partitions_of = partitions_of
        self._asked = False
        self._rebalancing: asyncio.Task[None] | None = None

    def join(self, member: Member) -> None:
        """Take a member in. It is assigned its partitions a little later."""
        self.members.append(member)
        self.rebalance()

    def leave(self, member: Member) -> None:
        """Let a member go, if it is one."""
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Deal the partitions out anew; after the rebalance under way if there is one."""
        self._asked = True
        if self._rebalancing is None or self._rebalancing.done():
            self._rebalancing = asyncio.create_task(self._rebalance())

    async def settled(self) -> None:
        """Wait until no rebalance is under way."""
        while self._rebalancing and not self._rebalancing.done():
            await asyncio.wait((self._rebalancing,))

    async def _rebalance(self) -> None:
        while self._asked:
            self._asked = False
            await asyncio.gather(*(member.revoke() for member in self.members))
            self.generation += 1
            for member, partitions in self._dealt():
                member.assign(partitions)

    def _dealt(self) -> list[tuple[Member, list[Partition]]]:
        hands: list[tuple[Member, list[Partition]]] = [(member, []) for member in self.members]
        for topic in sorted(frozenset[str]().union(*(member.topics for member in self.members))):
            takers = [hand for hand in hands if topic in hand[0].topics]
            for partition in self._partitions_of(topic):
                # Another member first in each generation: partitions shall move, tests want to see it.
                takers[(partition.number + self.generation) % len(takers)][1].append(partition)
        return hands
