"""`Membership`: what happens to an owner and to commits while a group changes hands.

aiokafka calls us three times in a rebalance. Commits are let through from `assigned` to the end of `revoked` only:
one that is sent while JoinGroup is parked waits behind it, fails, and costs one more rebalance (measured).

    revoked ──▶ thrown out?  owner.lost        gate shut
                else         owner.give_up     drain and commit, then gate shut
    JoinGroup, SyncGroup                       gate shut
    on_assignment ──▶        owner.apply       before the fetcher runs
    assigned ──▶             gate open

Thrown out: aiokafka then carries generation -1 and no member id, and Kafka ACCEPTS a commit like that while the group
is empty. It would rewind the group to where a zombie stood (measured: 3,650 back to 700). So no commit may pass with
a generation below 0: `_do_commit_offsets` is wrapped, because the generation can go while `commit()` waits.

Nor may one outlive its `commit()`: aiokafka shields it, so one that waited for a connection was sent after its caller
had given up, behind a JoinGroup (measured). Who leaves `committing` takes it along. After `end` the gate stays shut,
also when a join that was under way succeeds.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import IllegalGenerationError

from events.core.broker import Owner, Partition
from events.core.errors import BrokerUnavailable
from events.kafka.assignor import Claims

log = logging.getLogger(__name__)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """One membership of one group. `generation`: of the last assignment, -1 before the first."""

    def __init__(self, group: str, owner: Owner) -> None:
        self._group, self._owner = group, owner
        self._coordinator: Any = None
        self._gate_open = self._told = self._ended = False
        self.settled = False
        """Whether there is an assignment and no rebalance is under way, from `assigned` to the next `revoked`."""
        self._lock = asyncio.Lock()
        self._sending: asyncio.Task[Any] | None = None
        self.generation = -1

    def guard(self, coordinator: Any) -> None:
        """Put the guard on every commit of aiokafka's coordinator, and read its generation from now on."""
        self._coordinator = coordinator
        commit = coordinator._do_commit_offsets

        async def commit_of_a_member(assignment: Any, offsets: Any) -> None:
            if not self.may_commit:
                raise IllegalGenerationError("the commit gate is shut")
            self._sending = asyncio.current_task()  # aiokafka's own: it is shielded
            await commit(assignment, offsets)

        coordinator._do_commit_offsets = commit_of_a_member

    @property
    def may_commit(self) -> bool:
        """Whether a commit may pass now."""
        return self._gate_open and not self._is_out

    @asynccontextmanager
    async def committing(self) -> AsyncIterator[None]:
        """Around a commit: one at a time, and none is under way when the block has ended, however it ends."""
        async with self._lock:
            try:
                yield
            finally:
                if self._sending is not None:
                    self._sending.cancel()
                    self._sending = None

    @property
    def _is_out(self) -> bool:
        return self._coordinator is None or bool(self._coordinator.generation < 0)

    def claims(self) -> Claims:
        """What this member tells the leader. A refused join can throw us out without a second `revoked`."""
        if self._is_out and self.generation >= 0:
            self._lose()
        return Claims(self.generation, tuple(self._owner.report()))

    def take_over(self, partitions: Collection[Partition]) -> None:
        """The new assignment is there. aiokafka says so twice; the owner is told once."""
        if not self._told and not self._ended:
            self._told = True
            self.generation = self._coordinator.generation
            self._owner.apply(partitions)

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Give up what we own. Whatever happens, the gate is shut afterwards and no commit is under way."""
        self.settled = False
        try:
            if self._is_out:
                self._lose()
            elif revoked:
                await self._owner.give_up()
        except Exception:
            log.exception("Giving up the partitions of group %s failed; they are dropped.", self._group)
            self._owner.lost("giving up failed")
        finally:
            self._told = False
            await self.shut()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Take over what we own now, unless that was done before the fetcher ran, and let commits through."""
        self.take_over([Partition(one.topic, one.partition) for one in assigned])
        self.settled = self._gate_open = not self._ended

    def reach(self, error: BrokerUnavailable | None) -> None:
        """The brokers have stopped to answer, or do again. While this member ends that is no news."""
        if not self._ended:
            self._owner.reach(error)

    async def shut(self) -> None:
        """Shut the gate and wait for the commit under way, which has a time limit of its own."""
        self._gate_open = False
        async with self._lock:
            pass

    async def end(self) -> None:
        """Shut the gate for good: the consumer stops."""
        self._ended = True
        await self.shut()

    def _lose(self) -> None:
        """Tell the owner, once for each assignment."""
        if self.generation >= 0:
            self.generation = -1
            self._owner.lost(f"the group {self._group} has gone on without this member")
