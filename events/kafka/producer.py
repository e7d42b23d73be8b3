"""`KafkaProducer`: hands records to Kafka, in order, and says of each what became of it.

It is idempotent, so a retry repeats nothing. The price: one batch that is refused, or that expires, uses up sequence
numbers, and its partition answers OutOfOrderSequenceNumber for ever after (measured: 809 of 809). So after any failure
from the brokers this object is done for: build a new one.

All records of a refused batch are refused with it, and aiokafka alone knows who shared a batch. So only a record that
was sent alone is called refused; in company all get `BatchRefused`, and the caller sends them one by one.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import errors

from events.core.broker import OutgoingRecord, Place, SendResult
from events.core.errors import BatchRefused, BrokerUnavailable, ClientRefused, RecordRefused, TopicRefused
from events.kafka import private
from events.kafka.client import bounded, close, missing_topics, prepare
from events.kafka.connection import Connection
from events.kafka.failures import described, is_for_good, unavailable
from events.kafka.logs import calm_logs

log = logging.getLogger(__name__)

FLUSH_S = 5.0
CLOSE_S = 1.0


class InvalidRecord(errors.BrokerResponseError):  # type: ignore[misc]
    """Error 87, which aiokafka does not know: for one, a record without a key in a compacted topic."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker's rules for this topic refuse the record (a compacted topic needs a key)"


_OF_THE_RECORD = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
    errors.PolicyViolationError,
    InvalidRecord,
)
_OF_THE_TOPIC = (errors.TopicAuthorizationFailedError, errors.InvalidTopicError)


class KafkaProducer:
    """A producer. `deadline_s`: the most seconds that `start`, and each `send`, may take."""

    def __init__(self, connection: Connection, *, deadline_s: float, client_id: str) -> None:
        self._connection, self._deadline_s, self._client_id = connection, deadline_s, client_id
        self._client: Any = None
        self._failed = self._stopped = False
        self.away: BrokerUnavailable | None = None

    async def start(self) -> None:
        """Connect and get a producer id. Raises `BrokerUnavailable`."""
        calm_logs()
        errors.kafka_errors.setdefault(InvalidRecord.errno, InvalidRecord)
        self._client = self._connection.new_producer(self._client_id)
        try:
            private.require(self._client, private.PRODUCER)
            prepare(self._client.client, told=self._hear)
            with unavailable(f"Connecting to {self._connection.bootstrap_servers}"):
                async with asyncio.timeout(self._deadline_s):
                    await self._client.start()
        except BaseException:
            self._failed = True
            await self.stop()
            raise

    def _hear(self, error: BrokerUnavailable | None) -> None:
        self.away = error

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        """Send in order and wait for the brokers, up to the deadline. One result a record; never raises for one.

        A record that is refused here, before it is sent, holds back the later ones of its topic and key: they are
        unavailable. One call at a time. After one that is cancelled `stop` sends nothing more.
        """
        if self._client is None or self._stopped:
            return [BrokerUnavailable("This producer was stopped, or never started.")] * len(records)
        try:
            return await self._send(records)
        except BaseException:
            self._failed = True  # a relay that lost its lease must not flush: the next one sends these records
            raise

    async def _send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        sent: list[asyncio.Future[Any] | SendResult] = []
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        try:
            async with asyncio.timeout_at(deadline):
                await self._hand_over(records, sent)
        except TimeoutError:
            self._failed = True
        except BrokerUnavailable:
            pass
        left = [BrokerUnavailable("Not sent: the brokers took too long, or an earlier record failed.")] * (
            len(records) - len(sent)
        )
        waiting = [one for one in sent if isinstance(one, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting, timeout=max(deadline - asyncio.get_running_loop().time(), 0.0))
        return [self._result(one, alone=len(records) == 1) for one in sent] + list(left)

    async def _hand_over(self, records: Sequence[OutgoingRecord], sent: list[asyncio.Future[Any] | SendResult]) -> None:
        """Give the records to aiokafka. `sent` grows by one for each, so that a time-out leaves what was done."""
        missing = await missing_topics(self._client.client, {record.topic for record in records})
        refused: set[tuple[str, bytes]] = set()
        for record in records:
            if self._failed:
                return
            if record.topic in missing:
                sent.append(TopicRefused(missing[record.topic]))
            elif record.key is not None and (record.topic, record.key) in refused:
                sent.append(BrokerUnavailable("Held back: an earlier record of its key was refused."))
            else:
                sent.append(await self._hand_over_one(record))
                if isinstance(sent[-1], RecordRefused) and record.key is not None:
                    refused.add((record.topic, record.key))

    async def _hand_over_one(self, record: OutgoingRecord) -> asyncio.Future[Any] | SendResult:
        try:
            future: asyncio.Future[Any] = await self._client.send(
                record.topic, record.value, record.key, headers=list(record.headers)
            )
        except errors.MessageSizeTooLargeError:
            # Found before it was sent, so it did no harm. It counts against max_request_size with its framing.
            return RecordRefused(
                f"A record of {record.size} bytes for {record.topic!r} is larger than max_request_size. Publish less, "
                'or raise EVENTS["PRODUCER"]["max_request_size"] and the topic\'s max.message.bytes.'
            )
        except errors.KafkaError as error:
            self._failed = True
            return BrokerUnavailable(f"Sending to {record.topic!r}: {described(error)}")
        future.add_done_callback(_look_at)
        return future

    def _result(self, sent: asyncio.Future[Any] | SendResult, *, alone: bool) -> SendResult:
        if not isinstance(sent, asyncio.Future):
            return sent
        if not sent.done():
            self._failed = True
            return BrokerUnavailable(f"The brokers did not confirm within {self._deadline_s:g} s.")
        error = sent.exception()
        if error is None:
            kept = sent.result()
            return Place(kept.topic, kept.partition, kept.offset)
        self._failed = True
        if isinstance(error, _OF_THE_TOPIC):
            return TopicRefused(f"Kafka refused the topic: {described(error)}")
        if isinstance(error, _OF_THE_RECORD):
            if alone:
                return RecordRefused(f"Kafka refused the record: {described(error)}")
            return BatchRefused(f"Kafka refused the record or one sent with it: {described(error)}")
        refused = ClientRefused if is_for_good(error) else BrokerUnavailable
        return refused(f"Kafka did not take the record: {described(error)}")

    async def stop(self) -> None:
        """Flush for a few seconds, unless it has failed, then close, hard if need be. Never raises, never hangs."""
        client = self._client
        if client is None or self._stopped:
            return
        self._stopped = True
        if not self._failed and await bounded(client.flush(), min(FLUSH_S, self._deadline_s)):
            await bounded(client.stop(), CLOSE_S)
        # stop() would wait for what can no longer be sent. Each step does nothing where stop() has done it.
        client._closed = True
        await bounded(client._sender.close(), CLOSE_S)
        await bounded(close(client.client), CLOSE_S)


def _look_at(future: asyncio.Future[Any]) -> None:
    """Nobody may be waiting any more; asyncio complains of an error that nobody has looked at."""
    if not future.cancelled():
        future.exception()
