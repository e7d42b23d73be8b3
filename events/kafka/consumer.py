"""`KafkaConsumer`: one member of one group, on aiokafka, with everything that aiokafka leaves to its user.

Raw bytes only; explicit commits only; a partition that cannot be read stops no other (`reading`); commits only from
a member (`membership`); errors from our tree. An object is used once: after an error or a stop, build a new one.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from events.core.broker import Owner, Partition, Record
from events.core.errors import BrokerUnavailable, ClientRefused, MembershipLost
from events.kafka import private
from events.kafka.assignor import Assignor
from events.kafka.client import bounded, close, prepare, require_topics
from events.kafka.connection import Connection
from events.kafka.failures import described, membership_lost, unavailable
from events.kafka.leaving import Leaving
from events.kafka.logs import calm_logs
from events.kafka.membership import Membership
from events.kafka.reading import NOWHERE, Reading, record_of

log = logging.getLogger(__name__)

COMMIT_S = 10.0
STOP_S = 5.0
CLOSE_S = 1.0
LEAVE_S = 3.0
"""Seconds to leave out of the middle of a join: who goes without a word holds the group up for a session."""
CANCEL_AGAIN_S = 0.1

SECOND_MEMBER = (
    "The embedded broker's groups have one member, and group {} seems to have another: "
    'stop the other process, or set EVENTS["RUN"] = ["relay"] for the one that serves.'
)


class KafkaConsumer:
    """A consumer of `topics` (names on the wire) in `group`. `client_id` is how the brokers' logs call it."""

    def __init__(self, connection: Connection, group: str, topics: Collection[str], *, client_id: str) -> None:
        self._connection, self._group, self._topics = connection, group, sorted(topics)
        self._client_id = client_id
        self._client: Any = None
        self._membership: Membership | None = None
        self._leaving: Leaving | None = None
        self._reading: Reading | None = None
        self._joining: asyncio.Timeout | None = None
        self._joined_or_not = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    async def start(self, owner: Owner) -> None:
        """Join the group; returns when there is an assignment. Raises `BrokerUnavailable`, also when it is stopped."""
        calm_logs()
        membership = self._membership = Membership(self._group, owner)
        assignor = Assignor(membership.claims, membership.take_over)
        self._client = self._connection.new_consumer(self._group, assignor, client_id=self._client_id)
        self._reading = Reading(self._client, self._group)
        try:
            with unavailable(f"Joining group {self._group} at {self._connection.bootstrap_servers}"):
                await self._join_within(self._connection.longest_join_s + COMMIT_S, membership)
        except BaseException:
            await self.stop()
            raise

    async def _join_within(self, seconds: float, membership: Membership) -> None:
        """Join, unless `stop` ends it before."""
        try:
            async with asyncio.timeout(seconds) as self._joining:
                await self._join(self._client, membership)
        except TimeoutError as error:
            if self._ending:
                raise BrokerUnavailable("The consumer was stopped before it had joined its group.") from error
            raise
        finally:
            self._joining = None
            self._joined_or_not.set()

    async def _join(self, client: Any, membership: Membership) -> None:
        """Start without topics, so that the guards are in place before the first join."""
        prepare(client._client, told=membership.reach)
        await client.start()
        private.require(client, private.CONSUMER)
        membership.guard(client._coordinator)
        self._leaving = Leaving(client)
        await require_topics(client._client, self._topics)
        client.subscribe(self._topics, listener=membership)
        try:
            await client.getmany(NOWHERE)  # returns with the first assignment, raises what prevents it
        except KafkaError as error:
            if self._connection.embedded and "InvalidRequestError" in str(error):  # wrapped, as text
                raise BrokerUnavailable(SECOND_MEMBER.format(self._group)) from None
            raise

    async def fetch(self, partitions: Collection[Partition], at_most: int) -> Mapping[Partition, Sequence[Record]]:
        """Wait a moment for records of `partitions`. Raises `MembershipLost` when this consumer is of no more use."""
        if self._ending or self._reading is None:
            raise MembershipLost("This consumer was stopped, or never started.")
        wanted = [TopicPartition(*one) for one in partitions] if at_most > 0 else []
        try:
            with membership_lost(f"Fetching for group {self._group}"):
                fetched = await self._reading.next(wanted, max(at_most, 1))
        except (MembershipLost, ClientRefused):
            if self._ending:
                return {}
            raise
        return {Partition(*one): [record_of(record) for record in records] for one, records in fetched.items()}

    def position(self, partition: Partition) -> int | None:
        """The offset that is fetched next, gaps of compaction and transactions included; None when unknown."""
        return self._reading.position(TopicPartition(*partition)) if self._reading else None

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Store where to start again, within 10 seconds. False: not stored, or not known to be."""
        membership = self._membership
        if membership is None or not membership.may_commit:
            return False
        offsets = {TopicPartition(*one): offset for one, offset in positions.items()}
        try:
            async with asyncio.timeout(COMMIT_S), membership.committing():
                await self._client.commit(offsets)
        except TimeoutError:
            log.warning("A commit of group %s got no answer in %.0f s.", self._group, COMMIT_S)
            return False
        except KafkaError as error:
            log.warning("A commit of group %s was refused: %s", self._group, described(error))
            return False
        return True

    async def stop(self) -> None:
        """Leave the group and close, within some seconds. Never raises or commits. A second call waits for the first.

        While a join is parked it ends `start` and is done within about a second: aiokafka would wait for the join.
        Who is cancelled here does not end it: a member that was left half-way would go on beating, and own for ever.
        """
        if self._client is None or self._membership is None:
            return
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(self._client, self._membership))
        await asyncio.shield(self._ending)

    async def _end(self, client: Any, membership: Membership) -> None:
        await self._end_the_join()
        await membership.end()
        client._closed = True  # no fetch begins any more: it would miss what ends those under way
        if client._coordinator is not None:
            await self._leave(client, at_rest=membership.settled)
        await _close(client)

    async def _leave(self, client: Any, *, at_rest: bool) -> None:
        """Leave the group. aiokafka would wait for a join that is parked, and takes no second try when it fails."""
        if at_rest:
            await bounded(client._coordinator.close(), STOP_S)
        await bounded(client._fetcher.close(), CLOSE_S)
        client._subscription.register_fetch_waiters(())  # with the fetcher closed nobody looks at their error any more
        client._subscription.abort_waiters(KafkaError("The consumer was stopped."))
        if not client._coordinator._closing.done():
            client._coordinator._closing.set_result(None)  # it joins once more at most, whatever becomes of the cancel
        await bounded(_cancel(client._coordinator._coordination_task), STOP_S)
        if self._leaving is not None:
            await bounded(self._leaving.leave(), CLOSE_S if at_rest else LEAVE_S)

    async def _end_the_join(self) -> None:
        if self._joining is not None:
            if not self._joining.expired():
                self._joining.reschedule(asyncio.get_running_loop().time())
            await bounded(self._joined_or_not.wait(), CLOSE_S)


async def _close(client: Any) -> None:
    """End what else there is. Again the fetcher: closing it gives up when a task of it sleeps."""
    if client._coordinator is not None:
        await bounded(client._coordinator._stop_heartbeat_task(), CLOSE_S)
        await bounded(client._coordinator._stop_commit_offsets_refresh_task(), CLOSE_S)
        await bounded(client._fetcher.close(), CLOSE_S)
    await bounded(close(client._client), CLOSE_S)


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel until it has ended: aiokafka's heartbeat swallows what is meant for the task that waits for its end.

    That task would go on and join, and after it has left it has no member id: the group would wait for a new member.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
