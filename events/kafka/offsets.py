"""`Offsets`: where to read when Kafka has no valid position for us. aiokafka's own rules lose or repeat in silence.

No commit yet: the earliest record. Below the start of the log: records were deleted before the group read them; go
on at the start, with a warning that counts them. Beyond the end: the log is not the one that the commit was made
for (topic created anew, data lost): somebody must decide, so the partition stands still and says so again and again.
Refused although it is there: the leader has just changed; a short pause.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from events.kafka import private
from events.kafka.damage import damage_text
from events.kafka.idle import Idle

log = logging.getLogger(__name__)

START_S = 0.2
ANSWER_S = 5.0
UNKNOWN_PAUSE_S = 5.0
THERE_PAUSE_S = 1.0


class Offsets:
    """The rules for one group, on its aiokafka consumer."""

    def __init__(self, client: Any, group: str, idle: Idle) -> None:
        self._client, self._group, self._idle = client, group, idle

    async def start_at_earliest(self, partitions: list[Any]) -> None:
        """Read these partitions, which have no commit, from their first record. No answer soon: aiokafka asks on."""
        with suppress(TimeoutError, IllegalStateError):  # no longer ours
            async with asyncio.timeout(START_S):
                await self._client.seek_to_beginning(*partitions)

    async def recover(self, error: OffsetOutOfRangeError) -> None:
        """Move to where reading can go on, or put the partition aside. Nothing is done when it is no longer ours."""
        for partition, offset in error.args[0].items():
            held = private.assignment(self._client)
            bounds = await self._bounds(partition)
            if private.assignment(self._client) is held:
                self._answer(partition, offset, bounds=bounds)

    def damaged(self, partition: Any, offset: int, *, error: Exception) -> None:
        """Put the partition aside, with what to do."""
        self._client.seek(partition, offset)  # drops the broken buffer
        self._idle.put(partition, damage_text(self._group, partition, offset=offset, error=error))

    async def _bounds(self, partition: Any) -> tuple[int, int] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                first = (await self._client.beginning_offsets([partition]))[partition]
                end = (await self._client.end_offsets([partition]))[partition]
        except (TimeoutError, KafkaError):
            return None
        return first, end

    def _answer(self, partition: Any, offset: int, *, bounds: tuple[int, int] | None) -> None:
        place = f"{partition.topic}/{partition.partition}"
        if bounds is None:
            why = f"{place} has no offset {offset}, and the brokers do not say which it has; asking again."
            self._idle.put(partition, why, pause_s=UNKNOWN_PAUSE_S)
        elif offset < bounds[0]:
            self._skip(partition, offset, first=bounds[0])
        elif offset > bounds[1]:
            self._idle.put(partition, self._beyond(partition, offset, end=bounds[1]))
        else:
            why = f"{place} has the offset {offset}, and the brokers refuse it all the same; asking again."
            self._idle.put(partition, why, pause_s=THERE_PAUSE_S)

    def _skip(self, partition: Any, offset: int, *, first: int) -> None:
        place = f"{partition.topic}/{partition.partition}"
        log.warning(
            "Group %s lost %d records of %s: Kafka deleted offsets %d to %d before they were read. Going on at %d. "
            "Keep records longer: retention.ms, retention.bytes.",
            *(self._group, first - offset, place, offset, first - 1, first),
        )
        self._client.seek(partition, first)

    def _beyond(self, partition: Any, offset: int, *, end: int) -> str:
        topic, number = partition.topic, partition.partition
        return (
            f"Group {self._group} stands at offset {offset} of {topic}/{number}, which ends at {end}: the topic was "
            "created anew, or its end was lost. This partition stands still until somebody decides; the others go on. "
            "To handle all that is there now, stop the workers of the group, then: kafka-consumer-groups.sh "
            f"--bootstrap-server ADDRESS --group {self._group} --topic {topic}:{number} --reset-offsets --to-earliest "
            "--execute"
        )
