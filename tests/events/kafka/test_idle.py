"""Partitions that stand still: for how long, and how often they say so."""

import logging
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from events.kafka.idle import LONG_S, Idle

A, B = TopicPartition("quotes", 0), TopicPartition("quotes", 1)


class Client:
    """What `Idle` asks of aiokafka."""

    def __init__(self):
        self.paused = set()
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=object()))

    def pause(self, partition):
        self.paused.add(partition)

    def resume(self, partition):
        self.paused.remove(partition)

    def rebalance(self):
        self._subscription.subscription.assignment = object()
        self.paused.clear()


@pytest.fixture
def idle():
    idle = Idle(Client(), lambda: idle.now)
    idle.now = 100.0
    return idle


def test_a_partition_is_left_out_until_its_pause_is_over(idle):
    idle.put(A, "it is broken", pause_s=5.0)

    during = idle.without([A, B]), set(idle._client.paused)
    idle.now += 5
    after = idle.without([A, B]), set(idle._client.paused)

    assert during == ([B], {A})
    assert after == ([A, B], set())


def test_a_new_assignment_starts_with_none(idle):
    idle.put(A, "it is broken")

    idle._client.rebalance()

    assert idle.without([A, B]) == [A, B]


def test_the_same_is_said_once_a_minute(idle, caplog):
    with caplog.at_level(logging.ERROR, "events"):
        for _ in range(2 * int(LONG_S)):
            idle.put(A, "it is broken", pause_s=1.0)
            idle.now += 1

    assert caplog.messages == ["it is broken"] * 2


def test_something_else_and_somewhere_else_is_said_at_once(idle, caplog):
    with caplog.at_level(logging.ERROR, "events"):
        idle.put(A, "it is broken")
        idle.put(A, "it is gone")
        idle.put(B, "it is gone")

    assert caplog.messages == ["it is broken", "it is gone", "it is gone"]
