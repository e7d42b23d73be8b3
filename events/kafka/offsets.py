"""Where to read when Kafka has no valid position for us. aiokafka's own rules would lose or repeat records silently.

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


async def start_at_earliest(client: Any, partitions: list[Any]) -> None:
    """Read partitions without a commit from their first record. Without an answer nothing changes: fetch asks again."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await client.seek_to_beginning(*partitions)
    except IllegalStateError:
        return  # no longer ours
    except (TimeoutError, KafkaError) as error:
        log.warning("The start of %d partitions is unknown (%s); asking again.", len(partitions), type(error).__name__)


async def recover(client: Any, group: str, error: OffsetOutOfRangeError) -> None:
    """Move to where reading can go on. Raises `MembershipLost` when only a person can say where that is."""
    for partition, offset in error.args[0].items():
        try:
            async with asyncio.timeout(ANSWER_S):
                first = (await client.beginning_offsets([partition]))[partition]
                end = (await client.end_offsets([partition]))[partition]
        except (TimeoutError, KafkaError) as trouble:
            log.warning("%s has no offset %d, and no answer which it has: %r", partition, offset, trouble)
            continue
        if offset < first:
            _skip_the_gap(client, group, partition, offset, first)
        elif offset > end:
            raise MembershipLost(_beyond(group, partition, offset, end))


def _skip_the_gap(client: Any, group: str, partition: Any, offset: int, first: int) -> None:
    log.warning(
        "Group %s lost %d records of %s/%d: Kafka deleted offsets %d to %d before they were read. "
        "Going on at %d. Keep records longer (retention.ms, retention.bytes).",
        group,
        first - offset,
        partition.topic,
        partition.partition,
        offset,
        first - 1,
        first,
    )
    try:
        client.seek(partition, first)
    except IllegalStateError:
        return  # no longer ours


def _beyond(group: str, partition: Any, offset: int, end: int) -> str:
    place = f"{partition.topic}/{partition.partition}"
    return (
        f"Group {group} stands at offset {offset} of {place}, which ends at {end}: the topic was created anew, or its "
        "end was lost. Nothing is read until somebody decides. To read all that is there now: stop the workers, then "
        f"kafka-consumer-groups.sh --bootstrap-server ADDRESS --group {group} "
        f"--topic {partition.topic}:{partition.partition} --reset-offsets --to-earliest --execute"
    )
