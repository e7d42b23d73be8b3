"""`Tail`: where a listener reads on when it cannot go on where it stands: at the end of the partition, with a warning.

A listener is in no group and owes nobody a repetition: what is lost is said, and what comes next matters more. An
offset that the log has, and that is refused all the same (the leader has just changed), is tried again.
"""

import asyncio
import logging
from typing import Any

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from events.kafka.failures import described

log = logging.getLogger(__name__)

ANSWER_S = 5.0
AGAIN_S = 0.2


class Tail:
    """The rules for one listener, on its aiokafka consumer. `lost`: the partitions that are to be moved."""

    def __init__(self, client: Any, name: str) -> None:
        self.lost: dict[Any, tuple[int, Exception | None]] = {}
        self._client, self._name = client, name

    async def start_at_earliest(self, partitions: list[Any]) -> None:
        """Read these partitions from their first record."""
        await self._client.seek_to_beginning(*partitions)

    async def recover(self, error: OffsetOutOfRangeError) -> None:
        """Note what the error names: `go_on` moves it."""
        self.lost.update({partition: (offset, None) for partition, offset in error.args[0].items()})

    def damaged(self, partition: Any, offset: int, *, error: Exception) -> None:
        """Note the partition: `go_on` moves it."""
        self._client.seek(partition, offset)  # drops the broken buffer
        self.lost[partition] = (offset, error)

    async def go_on(self) -> None:
        """Move what is lost. Without an answer from the brokers it stays lost, and the others go on."""
        if not self.lost:
            return
        lost = list(self.lost)
        try:
            async with asyncio.timeout(ANSWER_S):
                first, end = await self._client.beginning_offsets(lost), await self._client.end_offsets(lost)
        except (TimeoutError, KafkaError):
            return
        refused = [one for one in lost if not self._move(one, first=first[one], end=end[one])]
        if refused:
            await asyncio.sleep(AGAIN_S)

    def _move(self, partition: Any, *, first: int, end: int) -> bool:
        """Read on at the end, or where it stands if the log has that. False: the brokers refused what they have."""
        offset, error = self.lost.pop(partition)
        there = first <= offset <= end and error is None
        if not there:
            why = f"cannot be read: {described(error)}" if error else "is not there any more"
            place = f"{partition.topic}/{partition.partition}"
            log.warning("%s: offset %d of %s %s. Going on at the end, %d.", self._name, offset, place, why, end)
        self._client.seek(partition, offset if there else end)
        return not there
