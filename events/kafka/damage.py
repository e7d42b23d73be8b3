"""Bytes in Kafka that aiokafka cannot read: a wrong checksum, an unknown compression, a header name that is not UTF-8.

aiokafka's getmany() then raises, and says neither where nor what it has read besides. `one_by_one` finds the place,
and takes what stands before it.
"""

from collections.abc import Collection
from typing import Any

from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from events.kafka.failures import described

type Found = tuple[dict[Any, list[Any]], dict[Any, Exception]]


def is_damage(error: Exception) -> bool:
    """Whether getmany() raised this because of the bytes of a record; whatever is not of Kafka's tree comes of them."""
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        return True
    return not isinstance(error, KafkaError | ConsumerStoppedError)


async def one_by_one(client: Any, partitions: Collection[Any], *, at_most: int) -> Found:
    """What has come for these partitions, and those that cannot be read on, with the reason.

    Each is read alone, for the error does not say whose it is; and record by record, for what one getmany() read
    before it raised is gone. Nothing is waited for outside of a rebalance.
    """
    records: dict[Any, list[Any]] = {}
    damaged: dict[Any, Exception] = {}
    share = max(1, at_most // max(1, len(partitions)))  # a partition that is full must not hide the others
    for partition in list(partitions)[:at_most]:
        try:
            while len(records.get(partition, ())) < share:
                taken = await client.getmany(partition, timeout_ms=0, max_records=1)
                if not taken:
                    break
                records.setdefault(partition, []).extend(taken[partition])
        except OffsetOutOfRangeError:
            if not records:
                raise
            break  # it comes again; to answer it we would have to wait with records in hand
        except Exception as error:
            if not is_damage(error):
                raise
            damaged[partition] = error
    return records, damaged


def damage_text(group: str, partition: Any, *, offset: int, error: Exception) -> str:
    """What is said of a damaged partition, with what to do. `offset`: the first that could not be read."""
    topic, number = partition.topic, partition.partition
    return (
        f"Group {group} cannot read {topic}/{number} from offset {offset} on: {described(error)}. This partition "
        "stands still and is tried again every minute; the others go on. Restore the record from a replica; or skip "
        "it: stop the workers of the group, then: kafka-consumer-groups.sh --bootstrap-server ADDRESS "
        f"--group {group} --topic {topic}:{number} --reset-offsets --to-offset {offset + 1} --execute (records are "
        "read in batches: while it says the same again, go further)"
    )
