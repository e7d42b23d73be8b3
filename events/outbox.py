"""The outbox: outgoing records that wait in the database until Kafka has them.

    add ─▶ 1 2 3 4 5 6 ─ oldest ─▶ relay ─ delete, or refuse

Rules
* `add` writes in the caller's transaction; everything else belongs to the relay that holds the lease.
* A row is deleted when Kafka has it, never marked: a reader that remembers "the last id" would lose rows, because
  ids are given out before their transactions commit.
* A refused row stays, and is tried again later and later. Until it goes, or a person deletes it, it holds back the
  later rows of its topic and key. A row without a key holds back nobody.
"""

import logging
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from events.conf import config
from events.core.broker import OutgoingRecord
from events.core.extra import extra
from events.core.retry import delay_of
from events.models import OutboxRecord

REFUSED_FIRST_S, REFUSED_MOST_S = 1.0, 300.0
"""Seconds until a refused row is tried again: the first time, and at most."""

MOST_ATTEMPTS = 32_000
"""Attempts are counted up to here, the limit of the column."""

INSERT_BYTES = 2 * 1024 * 1024
"""The most bytes of records in one insert: MySQL takes no statement larger than its `max_allowed_packet` (16 MiB)."""

log = logging.getLogger("events.relay")


def add(records: Iterable[OutgoingRecord]) -> list[UUID]:
    """Write rows in the caller's transaction, in this order. Returns the ids of the events."""
    rows = [_all().bulk_create(map(OutboxRecord.holding, some)) for some in _split(list(records))]
    return [row.event_id for some in rows for row in some]


def oldest(limit: int, max_bytes: int, *, without: Collection[str] = ()) -> list[OutboxRecord]:
    """The oldest rows that may go now, by id: at most `limit`, and values of `max_bytes` in all, but at least one.

    `without`: topics to leave out.
    """
    sendable = _sendable(timezone.now()).exclude(topic__in=without)
    sizes = list(sendable.order_by("id").values_list("id", Length("value"))[:limit])
    totals = accumulate(size for _, size in sizes)
    fitting = sum(total <= max_bytes for total in totals)
    ids = [id for id, _ in sizes[: max(1, fitting)]]
    return list(_all().filter(id__in=ids).order_by("id"))


def delete(ids: Collection[int]) -> None:
    """Kafka has these rows."""
    if ids:
        _all().filter(id__in=ids).delete()


def refuse(row: OutboxRecord, why: str) -> None:
    """The brokers do not take this row: say so, and try it again later."""
    attempts = min(row.attempts + 1, MOST_ATTEMPTS)
    wait = delay_of(attempts - 1, first_s=REFUSED_FIRST_S, most_s=REFUSED_MOST_S, chance=random.random)
    not_before = timezone.now() + timedelta(seconds=wait)
    _all().filter(id=row.id).update(attempts=attempts, not_before=not_before, error=why.replace("\0", "�"))
    facts = extra(row.record())
    log.error(
        "Kafka refuses record %s of topic %s, key %s, event %s (attempt %d, next in %.0f s): %s",
        *(row.id, row.topic, facts["key"], row.event_id, attempts, wait, why),
        extra=facts,
    )


def waiting() -> int:
    """How many rows there are, refused ones included."""
    return _all().count()


def _all() -> QuerySet[OutboxRecord]:
    return OutboxRecord.objects.using(config().DATABASE)


def _split(records: Sequence[OutgoingRecord]) -> Iterator[Sequence[OutgoingRecord]]:
    start, size = 0, 0
    for end, record in enumerate(records):
        if size and size + record.size > INSERT_BYTES:
            yield records[start:end]
            start, size = end, 0
        size += record.size
    yield records[start:]


def _sendable(now: datetime) -> QuerySet[OutboxRecord]:
    refused = _all().filter(not_before__gt=now)
    if not refused.exists():  # nearly always: and then the plain query is one short walk along the primary key
        return _all()
    before_me = refused.filter(topic=OuterRef("topic"), key=OuterRef("key"), id__lt=OuterRef("id"))
    return _all().filter(Q(not_before=None) | Q(not_before__lte=now)).exclude(Exists(before_me))
