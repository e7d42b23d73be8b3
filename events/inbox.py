"""The inbox: a subscriber handles an event once, however often Kafka hands it over.

    one transaction ┬ 1. the row (subscriber, event) ── there already? then nothing more happens
                    └ 2. the subscriber's own rows

The row comes first. A second transaction with the same row waits until the first one has ended: committed, it is a
duplicate; rolled back, it goes on. So two processes that hold the same record, one of them long declared dead, still
have one effect. Holds for effects in this database only.

Rows carry the number of their subscriber: 101 bytes instead of 265 a row, and twice as fast to write.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict
from django.db.models.signals import post_migrate
from django.utils import timezone

from events.conf import config
from events.deadlock import anew_after_deadlock
from events.models import HandledEvent, InboxSubscriber

CHUNK = 250
"""Rows of one insert: 750 parameters, and SQLite before 3.32 takes 999."""

_numbers: dict[tuple[str, str], int] = {}


def handle_once(subscriber: str, ids: Sequence[uuid.UUID], *, call: Callable[[set[uuid.UUID]], object]) -> bool:
    """Call `call` with those of `ids` that the subscriber has not handled, in one transaction with their rows.

    Returns whether there were any. `subscriber`: its key, see `subscriber_number`. What it raises undoes the
    rows too.
    """
    number = subscriber_number(subscriber)
    with transaction.atomic(using=config().DATABASE):
        new = remember(number, ids)
        if new:
            call(new)
    return bool(new)


def subscriber_number(key: str) -> int:
    """The small number of a subscriber, whose key is `<PREFIX><declared group>/<name>`. Call it before the transaction.

    A number that was made inside a transaction is not kept in memory: with a rollback it would be somebody else's.
    """
    alias = config().DATABASE
    if (number := _numbers.get((alias, key))) is not None:
        return number
    row, _ = InboxSubscriber.objects.using(alias).get_or_create(name=key)
    if not connections[alias].in_atomic_block:
        _numbers[alias, key] = row.pk
    return row.pk


def remember(number: int, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Write the rows that are missing, and return the ids of those. Call it inside a transaction, before the effects.

    Waits for other transactions that are writing the same rows.
    """
    ordered = sorted(set(ids))  # everybody in the same order: no deadlocks between two batches
    rows = [_rows(number, ordered[start : start + CHUNK]) for start in range(0, len(ordered), CHUNK)]
    alias = config().DATABASE
    return anew_after_deadlock(alias, lambda: _insert(connections[alias], rows))


def prune(before: datetime, chunk: int = 5_000) -> int:
    """Forget the oldest of what was handled before a moment: a chunk of rows, and those of the same time as its last.

    Returns how many rows went; fewer than `chunk`: no more are left. An event that Kafka, the outbox or a dead letter
    still holds must not be forgotten: it would be handled again.
    """
    old = HandledEvent.objects.using(config().DATABASE).filter(at__lt=before)
    last = list(old.order_by("at").values_list("at", flat=True)[chunk - 1 : chunk])
    return (old.filter(at__lte=last[0]) if last else old).delete()[0]


def _insert(connection: BaseDatabaseWrapper, chunks: Iterable[Sequence[HandledEvent]]) -> set[uuid.UUID]:
    insert = _insert_returning if connection.features.can_return_rows_from_bulk_insert else _insert_each
    return {new for chunk in chunks for new in insert(connection, chunk)}


def _insert_returning(connection: BaseDatabaseWrapper, rows: Sequence[HandledEvent]) -> set[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_insert_sql(connection, len(rows))} RETURNING event_id", _values(connection, rows))
        return {_uuid(row[0]) for row in cursor.fetchall()}


def _insert_each(connection: BaseDatabaseWrapper, rows: Sequence[HandledEvent]) -> set[uuid.UUID]:
    # MySQL tells how many rows were new, not which; MariaDB, SQLite and PostgreSQL return them.
    sql, new = _insert_sql(connection, 1), set()
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(sql, _values(connection, [row]))
            if cursor.rowcount == 1:
                new.add(row.event_id)
    return new


def _insert_sql(connection: BaseDatabaseWrapper, rows: int) -> str:
    quote, fields = connection.ops.quote_name, HandledEvent._meta.local_concrete_fields
    insert = connection.ops.insert_statement(on_conflict=OnConflict.IGNORE)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * rows)
    otherwise = connection.ops.on_conflict_suffix_sql(fields, OnConflict.IGNORE, [], [])
    return f"{insert} {quote(HandledEvent._meta.db_table)} ({columns}) VALUES {values} {otherwise}"


def _rows(number: int, ids: Sequence[uuid.UUID]) -> list[HandledEvent]:
    now = timezone.now()
    return [HandledEvent(subscriber_id=number, event_id=one, at=now) for one in ids]


def _values(connection: BaseDatabaseWrapper, rows: Sequence[HandledEvent]) -> list[Any]:
    fields = HandledEvent._meta.local_concrete_fields
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows for field in fields]


def _uuid(value: object) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _forget_numbers(**_: object) -> None:
    _numbers.clear()


# `flush` and `migrate` send it: afterwards the numbers may be other ones.
post_migrate.connect(_forget_numbers, dispatch_uid="kafka_events.inbox")
