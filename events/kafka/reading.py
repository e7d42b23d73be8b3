"""`Reading`: one fetch, with our answer to what aiokafka raises for a single partition: the others go on.

Rules
* What hands over records is the last thing that is awaited: the ownership may change in every other wait.
* What was raised in an earlier ownership gets no answer: it speaks of a position that is no longer ours.
* Partitions without a position are asked apart, so that of all that can give records we know where they stand.
* A getmany() that raises over damaged bytes has moved other partitions on and thrown their records away (aiokafka's
  `Fetcher.fetched_records`). So all go back to where they stood, and for a while all are read with care.

    wanted ─▶ idle ones left out ─▶ without a position: start_at_earliest
                                 └▶ with one: getmany ──▶ records
                                                 ├ OffsetOutOfRange ─▶ recover: skip, or put aside
                                                 └ damage ─▶ back ─▶ one_by_one ─▶ put the damaged one aside
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from events.core.broker import Record
from events.core.errors import MembershipLost
from events.kafka import private
from events.kafka.damage import is_damage, one_by_one
from events.kafka.failures import described
from events.kafka.idle import Idle
from events.kafka.offsets import Offsets

NOWHERE = TopicPartition("", -1)
"""No partition: getmany() without any would mean all of them."""

FETCH_WAIT_MS = 200
SHORT_WAIT_MS = 20  # while something else is to be looked at too
CARE_S = 5.0

type Fetched = Mapping[Any, Sequence[Any]]


class Rules(Protocol):
    """Where to read on when there is no valid position: for a group `Offsets`, without one `Tail`."""

    async def start_at_earliest(self, partitions: list[Any]) -> None:
        """These partitions have no position."""

    async def recover(self, error: OffsetOutOfRangeError) -> None:
        """The positions that the error names are not in the log."""

    def damaged(self, partition: Any, offset: int, *, error: Exception) -> None:
        """What stands at `offset` cannot be read. Drop aiokafka's buffer of it."""


class Reading:
    """Reads with one aiokafka consumer. `clock` gives seconds. `rules`: those of a group when none are given."""

    def __init__(
        self,
        client: Any,
        group: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        rules: Rules | None = None,
    ) -> None:
        self._client, self._clock = client, clock
        self._idle = Idle(client, clock)
        self._offsets = rules or Offsets(client, group, self._idle)
        self._care_until = float("-inf")

    async def next(self, wanted: Collection[Any], at_most: int) -> Fetched:
        """Wait a moment for records. Raises aiokafka's errors that are of the whole consumer."""
        held = self._assignment
        try:
            return await self._next(self._idle.without(wanted), at_most)
        except NoOffsetForPartitionError:
            return {}  # out of a rebalance in the middle of a wait: it comes again when it is true
        except OffsetOutOfRangeError as error:
            if self._assignment is held:
                await self._offsets.recover(error)
            return {}

    def position(self, partition: Any) -> int | None:
        """The offset that is fetched next; None when unknown."""
        state = assignment.state_value(partition) if (assignment := self._assignment) else None
        return int(state.position) if state is not None and state.has_valid_position else None

    @property
    def _assignment(self) -> Any:
        return private.assignment(self._client)

    async def _next(self, wanted: Collection[Any], at_most: int) -> Fetched:
        if (unplaced := [one for one in wanted if self.position(one) is None]) and (
            early := await self._place(unplaced)
        ):
            return early
        stood = {one: position for one in wanted if (position := self.position(one)) is not None}
        wait_ms = FETCH_WAIT_MS if len(stood) == len(wanted) else SHORT_WAIT_MS
        if self._clock() < self._care_until:
            return await self._with_care(stood, at_most)
        held = self._assignment
        try:
            return await self._getmany(stood or [NOWHERE], wait_ms, at_most=at_most)
        except Exception as error:
            if not is_damage(error):
                raise
            self._go_back(stood, held=held, error=error)
            return {}

    async def _place(self, partitions: Collection[Any]) -> Fetched:
        """Start partitions that have no commit. Hands over records only when it has waited for a rebalance."""
        held, fresh = self._assignment, []
        while True:
            try:
                early = await self._getmany(partitions, 0, at_most=1)
                break
            except NoOffsetForPartitionError as error:
                fresh.append(error.args[0])
        if fresh and not early and self._assignment is held:
            await self._offsets.start_at_earliest(fresh)
        return early

    async def _getmany(self, partitions: Collection[Any], wait_ms: int, *, at_most: int = 1) -> Fetched:
        fetched: Fetched = await self._client.getmany(*partitions, timeout_ms=wait_ms, max_records=at_most)
        return fetched

    def _go_back(self, stood: Mapping[Any, int], *, held: Any, error: Exception) -> None:
        if self._assignment is not held:
            # Of the new ownership it is not known where it stood. The next consumer starts at what is committed.
            raise MembershipLost(f"A damaged record came with a rebalance: {described(error)}") from error
        for partition, position in stood.items():
            self._client.seek(partition, position)
        self._care_until = self._clock() + CARE_S

    async def _with_care(self, stood: Mapping[Any, int], at_most: int) -> Fetched:
        """Look for the damaged partition. It is found at once when its bytes are there again."""
        held = self._assignment
        await self._getmany([NOWHERE], SHORT_WAIT_MS)
        await self._getmany([NOWHERE], 0)  # no rebalance is under way now, so below nothing is waited for
        if self._assignment is not held:
            return {}
        records, damaged = await one_by_one(self._client, stood, at_most=at_most)
        for partition, error in damaged.items():
            self._put_aside(partition, error)
        return records

    def _put_aside(self, partition: Any, error: Exception) -> None:
        self._care_until = float("-inf")
        self._offsets.damaged(partition, self.position(partition) or 0, error=error)


def record_of(fetched: Any) -> Record:
    """aiokafka's record as ours."""
    return Record(
        fetched.topic,
        fetched.partition,
        fetched.offset,
        fetched.key,
        fetched.value,
        fetched.headers,
        fetched.timestamp,
    )
