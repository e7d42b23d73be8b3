"""`Offsets`: where to read when Kafka has no valid position for us. aiokafka's own rules lose or repeat in silence.

No commit yet: the earliest record. Below the start of the log: records were deleted before the group read them; go
on at the start, with a warning that counts them. Beyond the end: the log is not the one that the commit was made
for (topic created anew, data lost): somebody must decide, so nothing is read, and every new consumer says so again.
"""

import asyncio
import logging
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from events.core.errors import MembershipLost

log = logging.getLogger(__name__)

ANSWER_S = 5.0


class Offsets:
    """The rules for one group, on its aiokafka consumer. Without an answer nothing changes: the next fetch asks."""

    def __init__(self, client: Any, group: str) -> None:
        self._client, self._group = client, group

    async def start_at_earliest(self, partitions: list[Any]) -> None:
        """Read these partitions, which have no commit, from their first record."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._client.seek_to_beginning(*partitions)
        except IllegalStateError:
            return  # no longer ours
        except (TimeoutError, KafkaError) as error:
            log.warning("Where %d partitions start is not known, %r; asking again.", len(partitions), error)

    async def recover(self, error: OffsetOutOfRangeError) -> None:
        """Move to where reading can go on. Raises `MembershipLost` when only a person can say where that is."""
        for partition, offset in error.args[0].items():
            try:
                async with asyncio.timeout(ANSWER_S):
                    first = (await self._client.beginning_offsets([partition]))[partition]
                    end = (await self._client.end_offsets([partition]))[partition]
            except (TimeoutError, KafkaError) as trouble:
                log.warning("%s has no offset %d; which it has is not known, %r.", partition, offset, trouble)
                continue
            if offset < first:
                self._skip(partition, offset, first=first)
            elif offset > end:
                raise MembershipLost(self._beyond(partition, offset, end=end))

    def _skip(self, partition: Any, offset: int, *, first: int) -> None:
        place = f"{partition.topic}/{partition.partition}"
        log.warning(
            "Group %s lost %d records of %s: Kafka deleted offsets %d to %d before they were read. Going on at %d. "
            "Keep records longer: retention.ms, retention.bytes.",
            *(self._group, first - offset, place, offset, first - 1, first),
        )
        try:
            self._client.seek(partition, first)
        except IllegalStateError:
            return  # no longer ours

    def _beyond(self, partition: Any, offset: int, *, end: int) -> str:
        topic, number = partition.topic, partition.partition
        return (
            f"Group {self._group} stands at offset {offset} of {topic}/{number}, which ends at {end}: the topic was "
            "created anew, or its end was lost. Nothing is read until somebody decides. To handle all that is there "
            "now, stop the workers, then: kafka-consumer-groups.sh --bootstrap-server ADDRESS "
            f"--group {self._group} --topic {topic}:{number} --reset-offsets --to-earliest --execute"
        )
