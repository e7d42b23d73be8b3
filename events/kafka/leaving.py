"""`Leaving`: takes a member out of its group, also one that has just begun to join, or that has lost the coordinator.

A member that goes without a word stays in its group until its session ends. So what goes to the coordinator is
watched, for the id under which the group knows us: aiokafka forgets it when its own LeaveGroup fails.

    first JoinGroup   answered at once, with an id (KIP-394), for which the group waits from then on
    second JoinGroup  parked until everybody has come
    LeaveGroup        not sent by aiokafka while a join is parked, or while it looks for the coordinator

The first one is therefore not cancelled with the join: `leave` takes its answer. A group whose new member was stopped
in that moment stood still for the whole session (measured).
"""

import asyncio
from typing import Any

from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError, NoError, UnknownMemberIdError, for_code
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest

_LEFT = (NoError, UnknownMemberIdError)


class Leaving:
    """For one started `AIOKafkaConsumer`, from before its first join."""

    def __init__(self, client: Any) -> None:
        self._client, self._coordinator = client._client, client._coordinator
        self._send, self._coordinator._send_req = self._coordinator._send_req, self._request
        self._member_id = ""
        self._first: asyncio.Task[Any] | None = None
        """The first JoinGroup, until its answer is heard."""

    async def leave(self) -> None:
        """Leave the group, unless that is done. Raises aiokafka's errors. Call it when nothing can join any more.

        Over the ordinary connection: the coordinator's own is blocked while a join is parked on it. The coordinator is
        looked up: it may have moved, and aiokafka counts a LeaveGroup that it answers with an error as done.
        """
        coordinator = self._coordinator
        if self._first is not None:
            await self._hear_of_the_first(self._first)
        coordinator.reset_generation()  # or a heartbeat that still runs would go on under this id
        if self._member_id:
            node = await self._client.coordinator_lookup(CoordinationType.GROUP, coordinator.group_id)
            answer = await self._client.send(node, LeaveGroupRequest(coordinator.group_id, self._member_id))
            if (error := for_code(answer.error_code)) not in _LEFT:
                raise error
            self._member_id = ""

    async def _request(self, request: Any) -> Any:
        """aiokafka's `_send_req`."""
        joins = isinstance(request, JoinGroupRequest)
        if joins and not self._coordinator.member_id:
            self._first = asyncio.create_task(self._send(request))
            return await self._hear_of_the_first(asyncio.shield(self._first))
        answer = await self._send(request)
        if joins:
            self._member_id = answer.member_id or self._member_id  # an error's may have none
        elif isinstance(request, LeaveGroupRequest) and for_code(answer.error_code) in _LEFT:
            self._member_id = ""
        return answer

    async def _hear_of_the_first(self, asked: asyncio.Future[Any]) -> Any:
        try:
            answer = await asked
        except KafkaError:
            self._first = None
            raise
        self._first, self._member_id = None, answer.member_id
        return answer
