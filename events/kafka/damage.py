"""`Damage`: a record whose checksum is wrong. aiokafka's getmany() then hands over nothing at all.

So the records before it are taken one by one. When the damaged one stands first, nothing of its partition can be
read any more: the consumer ends with an error that names the partition, and so does every new one, until somebody
moves the group past it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.errors import CorruptRecordException

from events.core.errors import MembershipLost

log = logging.getLogger(__name__)

NEXT_S = 0.5


class Damage:
    """Remembers the damage seen last, so that the second look at the same one ends the consumer."""

    def __init__(self) -> None:
        self._seen = ""

    async def rescue(
        self, client: Any, wanted: Sequence[Any], *, at_most: int, error: CorruptRecordException
    ) -> Mapping[Any, Sequence[Any]]:
        """The records that stand before the damage. Raises `MembershipLost` when there are none."""
        rescued: dict[Any, list[Any]] = {}
        try:
            async with asyncio.timeout(NEXT_S) as limit:
                while sum(map(len, rescued.values())) < at_most:
                    record = await client.getone(*wanted)
                    limit.reschedule(asyncio.get_running_loop().time() + NEXT_S)
                    rescued.setdefault(_place(wanted, record), []).append(record)
        except (TimeoutError, CorruptRecordException):
            log.exception("A record is damaged; %d good ones were taken before it.", sum(map(len, rescued.values())))
        text = str(error)
        if text == self._seen and not any(str(one) in text for one in rescued):
            raise MembershipLost(_text(text)) from error
        self._seen = text
        return rescued


def _place(wanted: Sequence[Any], record: Any) -> Any:
    return next(one for one in wanted if (one.topic, one.partition) == (record.topic, record.partition))


def _text(found: str) -> str:
    return (
        f"A record in Kafka is damaged ({found}) and nothing behind it can be read. Restore it from a replica, or stop "
        "the workers and move the group past it: kafka-consumer-groups.sh --reset-offsets --shift-by 1 --execute"
    )
