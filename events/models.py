"""The tables: what waits to be sent, what was handled, what was given up on, and who may relay.

    publish() ─▶ OutboxRecord ─ relay ─▶ Kafka ─▶ HandledEvent + the subscriber's own rows
                     Lease                    └─▶ HeldRecord, when no attempt helped

Each row knows how to hold a record and how to give it back, byte for byte.
"""

import uuid
from traceback import format_exception
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from events.core.broker import OutgoingRecord, Record
from events.core.envelope import Envelope
from events.core.headers import given_back, held
from events.exact_text import ExactCharField

MESSAGE_CHARACTERS = 1_000
TRACEBACK_CHARACTERS = 4_000


class OutboxRecord(models.Model):
    """An outgoing record that Kafka does not have yet. The relay deletes the row when it does.

    `attempts`, `not_before` and `error` belong to rows that the brokers refused: they stay, hold back the later rows
    of their key, and are tried again, until they go or a person deletes them.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(editable=False)
    topic = ExactCharField(max_length=249)
    key = models.BinaryField(null=True)
    value = models.BinaryField()
    headers = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    error = models.TextField(default="", blank=True)

    class Meta:
        db_table = "kafka_events_outbox"
        verbose_name = "record in the outbox"
        verbose_name_plural = "records in the outbox"
        indexes: ClassVar = [
            models.Index(
                fields=["not_before"], name="kafka_events_outbox_refused", condition=models.Q(not_before__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.event_id}"

    @classmethod
    def holding(cls, record: OutgoingRecord) -> Self:
        """An unsaved row that holds the record. Its `event_id` is the record's `ce_id`, a UUID."""
        identity = next(value for name, value in record.headers if name == "ce_id" and value)
        return cls(
            event_id=uuid.UUID(identity.decode()),
            topic=record.topic,
            key=record.key,
            value=record.value,
            headers=held(record.headers),
        )

    def record(self) -> OutgoingRecord:
        """The record that the row holds."""
        key = None if self.key is None else bytes(self.key)
        return OutgoingRecord(self.topic, key, bytes(self.value), given_back(self.headers))


class InboxSubscriber(models.Model):
    """The name of a subscriber, written once: the rows of the inbox carry its number of two bytes instead."""

    id = models.SmallAutoField(primary_key=True)
    name = ExactCharField(max_length=255, unique=True)

    class Meta:
        db_table = "kafka_events_inbox_subscriber"

    def __str__(self) -> str:
        return self.name


class HandledEvent(models.Model):
    """The inbox: this subscriber has handled this event. Written in one transaction with the subscriber's effects.

    No constraint on the subscriber: on PostgreSQL each insert would lock the one row that all inserts share. `at` has
    a plain index, for pruning: rows come in its order, so an insert touches its last page only, on every database.
    """

    pk = models.CompositePrimaryKey("subscriber_id", "event_id")
    subscriber = models.ForeignKey(InboxSubscriber, models.DO_NOTHING, db_constraint=False, db_index=False)
    event_id = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "kafka_events_inbox"
        indexes: ClassVar = [models.Index(fields=["at"], name="kafka_events_inbox_at")]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.event_id}"


class HeldRecord(models.Model):
    """A record that could not be handled, with its bytes, its place and what went wrong. Never lost, never in the way.

    `subscriber` is empty when the record was never decoded. `reason` is one of `Undecodable.reason`, `rejected` or
    `failed`. `event_id` and `event_type` are those on the wire, cut to fit; empty where nothing could be read.
    """

    class State(models.TextChoices):
        """What is to become of the record."""

        # Only dead is written today. Parked and discarded, their index and the place and time of a record come with
        # the delivery ladder and replay: they stand here now so that no table of a running project changes for them.
        PARKED = "parked", "parked: is tried again later"
        DEAD = "dead", "dead: waits for a person"
        DISCARDED = "discarded", "discarded by a person"

    id = models.BigAutoField(primary_key=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DEAD)
    group = ExactCharField(max_length=255)
    subscriber = ExactCharField(max_length=200, blank=True, default="")
    topic = ExactCharField(max_length=249)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.JSONField(default=list)
    timestamp_ms = models.BigIntegerField(default=0)
    event_id = models.CharField(max_length=255, blank=True, default="")
    event_type = models.CharField(max_length=255, blank=True, default="")
    reason = models.CharField(max_length=20)
    error_type = models.CharField(max_length=255, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    traceback = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "kafka_events_held"
        verbose_name = "held record"
        constraints: ClassVar = [
            # With the time: when a topic is made anew, its offsets begin again, and they are other records.
            models.UniqueConstraint(
                fields=["group", "subscriber", "topic", "partition", "offset", "timestamp_ms"],
                name="kafka_events_held_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="kafka_events_held_dead", condition=models.Q(state="dead")),
            models.Index(
                fields=["group", "topic", "partition"],
                name="kafka_events_held_parked",
                condition=models.Q(state="parked"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset} {self.reason}"

    @classmethod
    def holding(cls, record: Record, *, group: str, subscriber: str = "", envelope: Envelope | None = None) -> Self:
        """An unsaved row, state dead, that holds the record. `failed_with` then says why."""
        row = cls.bare(record, group=group, subscriber=subscriber)
        row.headers = held(record.headers)
        row.event_id = _storable(envelope.id if envelope else _text(record, "ce_id"), 255)
        row.event_type = _storable(envelope.type if envelope else _text(record, "ce_type"), 255)
        return row

    @classmethod
    def bare(cls, record: Record, *, group: str, subscriber: str = "") -> Self:
        """The same without the headers and what is read from them: for a record that has no better row."""
        return cls(
            group=group,
            subscriber=subscriber,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
        )

    def failed_with(self, error: BaseException, *, reason: str, attempts: int = 0) -> Self:
        """Write down the error: its type, at most 1 kB of its text and the last 4 kB of its traceback."""
        self.reason, self.attempts = reason, attempts
        self.error_type = _storable(f"{type(error).__module__}.{type(error).__qualname__}", 255)
        self.error_message = _storable(str(error), MESSAGE_CHARACTERS)
        self.traceback = _storable("".join(format_exception(error))[-TRACEBACK_CHARACTERS:], TRACEBACK_CHARACTERS)
        return self

    def record(self) -> Record:
        """The record that the row holds, at the place where it was read."""
        key = None if self.key is None else bytes(self.key)
        value = None if self.value is None else bytes(self.value)
        headers = given_back(self.headers)
        return Record(self.topic, self.partition, self.offset, key, value, headers, self.timestamp_ms)


class Lease(models.Model):
    """The right to do what only one process may do at a time, until a moment on the database's clock."""

    name = models.CharField(max_length=50, primary_key=True)
    owner = models.CharField(max_length=200, default="")
    token = models.BigIntegerField(default=0)
    until = models.DateTimeField()

    class Meta:
        db_table = "kafka_events_lease"

    def __str__(self) -> str:
        return f"{self.name}: {self.owner}"


def _text(record: Record, name: str) -> str:
    return (record.header(name) or b"").decode(errors="replace")


def _storable(text: str, at_most: int) -> str:
    """Text that every database takes: no NUL (PostgreSQL), no half surrogates (none of them), not too long."""
    return text.replace("\0", "�")[:at_most].encode(errors="replace").decode()
