"""`Positions`: what groups have committed, and where the logs end, asked by somebody who is in no group."""

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition

from events.core.broker import Partition
from events.kafka.client import bounded, prepare
from events.kafka.connection import Connection
from events.kafka.failures import unavailable
from events.kafka.logs import calm_logs

ANSWER_S = 10.0
CLOSE_S = 1.0


class Positions:
    """Asks the brokers, one connection for many questions: `async with Positions(connection) as positions`.

    Everything raises `BrokerUnavailable` without an answer within 10 seconds.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._admin: Any = None
        self._reader: Any = None

    async def __aenter__(self) -> Self:
        calm_logs()
        self._admin, self._reader = self._connection.new_admin(), self._connection.new_reader()
        prepare(self._admin._client)
        prepare(self._reader._client)
        try:
            with unavailable(f"Connecting to {self._connection.bootstrap_servers}"):
                async with asyncio.timeout(ANSWER_S):
                    await self._admin.start()
                    await self._reader.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def committed(self, group: str, partitions: Collection[Partition]) -> Mapping[Partition, int | None]:
        """Where the group would start again in each of these partitions; None: it has committed nothing."""
        wanted = [TopicPartition(*one) for one in partitions]
        if not wanted:
            return {}
        with unavailable(f"Asking what group {group} has committed"):
            async with asyncio.timeout(ANSWER_S):
                found = await self._admin.list_consumer_group_offsets(group, partitions=wanted)
        offsets = {Partition(*place): known.offset for place, known in found.items()}
        return {one: offset if (offset := offsets.get(one, -1)) >= 0 else None for one in partitions}

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the next record of each partition will get."""
        with unavailable("Asking where partitions end"):
            async with asyncio.timeout(ANSWER_S):
                found = await self._reader.end_offsets([TopicPartition(*one) for one in partitions])
        return {Partition(*place): offset for place, offset in found.items()}

    async def _close(self) -> None:
        await bounded(self._admin.close(), CLOSE_S)
        await bounded(self._reader.stop(), CLOSE_S)
