"""What the broker says: who is in the group, which events are in the topic. Asked by a client that is not ours."""

import json
import time
import uuid
from dataclasses import dataclass, field

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.waiting import until_sync

PARTITIONS = 2
ANSWER_S = 20
JOIN_S = 60
NOT_YET = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE)
LEAVE_S = 10  # far below the session time-out of 30 s: who has said that it leaves is gone at once


@dataclass
class Names:
    """A topic and a group of one cell, that nobody else uses: `prefix` goes into EVENTS["PREFIX"]."""

    address: str
    prefix: str = field(default_factory=lambda: f"{uuid.uuid4().hex[:8]}.")

    def __post_init__(self):
        """Make the topic."""
        self.topic, self.group = f"{self.prefix}probes", f"{self.prefix}probe.heard"
        self._admin = AdminClient({"bootstrap.servers": self.address})
        for made in self._admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)]).values():
            made.result(ANSWER_S)

    def members(self):
        """How many members the group has now; None while it rebalances, or nobody can say."""
        known = self.member_ids()
        return None if known is None else len(known)

    def member_ids(self):
        """Who is in the group now; None while it rebalances, or nobody can say."""
        try:
            group = self._admin.describe_consumer_groups([self.group], request_timeout=ANSWER_S)[self.group].result()
        except KafkaException as error:  # the broker is still making the topic of offsets
            if error.args[0].code() not in NOT_YET:
                raise
            return None
        settled = group.state in (ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)
        return {member.member_id for member in group.members} if settled else None

    def wait_until_joined(self, many):
        """Wait until all workers are members."""
        until_sync(lambda: self.members() == many, JOIN_S)

    def wait_until_replaced(self, before):
        """Wait until those of `before` have said that they leave, then for as many new ones, which may start slowly."""
        until_sync(lambda: (now := self.member_ids()) is not None and not before & now, LEAVE_S)
        self.wait_until_joined(len(before))

    def left_behind(self):
        """How many members are still there, with 10 s for the last word to arrive."""
        deadline = time.monotonic() + LEAVE_S
        while (members := self.members()) != 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        return members

    def names(self):
        """The names of all events in the topic."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "nobody", "enable.auto.commit": False})
        try:
            ends = {number: self._end(consumer, number) for number in range(PARTITIONS)}
            consumer.assign([TopicPartition(self.topic, number, 0) for number in ends])
            records = consumer.consume(sum(ends.values()), ANSWER_S) if any(ends.values()) else []
            return [json.loads(record.value())["name"] for record in records]
        finally:
            consumer.close()

    def _end(self, consumer, number):
        return consumer.get_watermark_offsets(TopicPartition(self.topic, number), ANSWER_S)[1]
