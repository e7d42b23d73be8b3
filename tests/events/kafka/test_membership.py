"""Groups on a real Apache Kafka: joining, leaving, the commit gate, a member that was thrown out."""

import asyncio
import contextlib
import time
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import CommitFailedError, NotCoordinatorForGroupError
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata

from events.core.broker import Partition
from events.core.errors import BrokerUnavailable
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.positions import Positions
from tests.events.kafka.conftest import QUICK
from tests.events.kafka.owner import RecordingOwner, owned, send
from tests.waiting import until


@pytest.fixture
def long(kafka_server):
    """A connection whose session is longer than any of these tests waits: a member must leave by itself."""
    return Connection(kafka_server.address, consumer={**QUICK, "session_timeout_ms": 30_000})


async def test_a_second_member_takes_half_and_gives_it_back_at_once_when_it_stops(members):
    first = await members()
    second = await members()

    await until(lambda: owned(first, second) == [2, 2])
    disjoint = not first.owner.owned & second.owner.owned
    began = time.monotonic()
    await second.stop()
    await until(lambda: owned(first) == [4])

    assert disjoint
    assert time.monotonic() - began < 15  # a session is twice as long
    assert [name for name, _ in first.owner.calls] == ["apply", "give_up", "apply", "give_up", "apply"]
    assert first.owner.lost_because == []


async def test_a_member_that_waits_for_a_slow_one_can_stop_and_leaves_nothing_behind(members, long, topic):
    before = asyncio.all_tasks()
    first, may_go_on = await members(), asyncio.Event()
    first.owner._on_give_up = may_go_on.wait
    second = KafkaConsumer(long, first.consumer._group, [topic], client_id="second")
    joining = asyncio.create_task(second.start(RecordingOwner()))
    await until(lambda: first.owner.calls[-1][0] == "give_up")

    began = time.monotonic()
    joining.cancel()
    await asyncio.wait({joining})
    took = time.monotonic() - began
    may_go_on.set()
    await until(lambda: owned(first) == [4])
    await first.stop()

    assert joining.cancelled()
    assert took < 15  # a session is twice as long
    assert asyncio.all_tasks() <= before


async def test_a_member_that_waits_for_a_slow_one_in_a_rebalance_stops_and_leaves_soon(members, long, topic):
    slow, quick = await members(), await members(long)
    await until(lambda: owned(slow, quick) == [2, 2])
    may_go_on, settled = asyncio.Event(), len(quick.owner.calls)
    slow.owner._on_give_up = may_go_on.wait
    third = KafkaConsumer(long, slow.consumer._group, [topic], client_id="third")
    joining = asyncio.create_task(third.start(RecordingOwner()))
    await until(lambda: len(quick.owner.calls) > settled and not quick.owner.owned)
    await until(lambda: not quick.consumer._membership.may_commit)

    began = time.monotonic()
    await quick.stop()
    await third.stop()
    took = time.monotonic() - began
    may_go_on.set()
    await until(lambda: owned(slow) == [4])  # long before a session ends

    with pytest.raises(BrokerUnavailable, match="stopped before"):
        await joining
    assert took < 15  # the slow one takes longer


async def test_a_member_that_stops_while_aiokafka_ends_its_heartbeat_does_not_join_anew(members, long, topic):
    slow, quick = await members(), await members(long)
    await until(lambda: owned(slow, quick) == [2, 2])
    coordinator, ending, may_go_on = quick.consumer._client._coordinator, asyncio.Event(), asyncio.Event()

    async def end_the_heartbeat_which_swallows_a_cancel():
        ending.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await until(lambda: not coordinator.member_id)  # it has left

    coordinator._stop_heartbeat_task = end_the_heartbeat_which_swallows_a_cancel
    slow.owner._on_give_up = may_go_on.wait
    third = KafkaConsumer(long, slow.consumer._group, [topic], client_id="third")
    joining = asyncio.create_task(third.start(RecordingOwner()))
    await ending.wait()
    del coordinator._stop_heartbeat_task

    await quick.stop()
    await third.stop()
    may_go_on.set()
    await until(lambda: owned(slow) == [4])  # long before a session ends

    with pytest.raises(BrokerUnavailable, match="stopped before"):
        await joining


async def test_a_member_that_stops_before_it_hears_its_id_holds_nobody_up(members, long, topic, monkeypatch):
    """Kafka waits for whom it has given an id, until he joins or his session ends; nobody else knows that id."""
    first, sent = await members(), asyncio.Event()
    send = AIOKafkaConnection.send

    def noted(self, request, **options):
        if isinstance(request, JoinGroupRequest) and request._member_id == "":
            sent.set()
        return send(self, request, **options)

    monkeypatch.setattr(AIOKafkaConnection, "send", noted)
    second = KafkaConsumer(long, first.consumer._group, [topic], client_id="second")
    joining = asyncio.create_task(second.start(RecordingOwner()))
    await sent.wait()

    await second.stop()
    with pytest.raises(BrokerUnavailable, match="stopped before"):
        await joining

    async with asyncio.timeout(20):
        third = await members()
        await until(lambda: owned(first, third) == [2, 2])


async def test_a_member_that_has_lost_its_coordinator_leaves_all_the_same(members, long, topic):
    first, second = await members(), await members(long)
    await until(lambda: owned(first, second) == [2, 2])
    second.consumer._client._coordinator.coordinator_dead()  # as after a connection that was cut

    await second.stop()

    await until(lambda: owned(first) == [4])


async def test_a_member_whose_leaving_is_refused_by_a_coordinator_that_has_moved_asks_again(
    members, long, topic, monkeypatch
):
    first = await members()
    plain, refused = AIOKafkaConnection.send, []

    async def refuse_once(self, request, **options):
        if isinstance(request, LeaveGroupRequest) and not refused:
            refused.append(request)
            return SimpleNamespace(error_code=NotCoordinatorForGroupError.errno)
        return await plain(self, request, **options)

    monkeypatch.setattr(AIOKafkaConnection, "send", refuse_once)
    second = await members(long)
    await until(lambda: owned(first, second) == [2, 2])

    await second.stop()

    await until(lambda: owned(first) == [4])
    assert refused


async def test_a_stop_whose_caller_is_cancelled_goes_on_to_its_end(members, long, topic):
    before, first = asyncio.all_tasks(), await members()
    second = await members(long)
    await until(lambda: owned(first, second) == [2, 2])

    coordinator, closing, may_go_on = second.consumer._client._coordinator, asyncio.Event(), asyncio.Event()
    close = coordinator.close

    async def close_slowly():
        closing.set()
        await may_go_on.wait()
        await close()

    coordinator.close = close_slowly
    stopping = asyncio.create_task(second.stop())
    await closing.wait()
    stopping.cancel()
    await asyncio.wait({stopping})
    may_go_on.set()

    assert stopping.cancelled()
    await until(lambda: owned(first) == [4])
    await first.stop()
    await until(lambda: asyncio.all_tasks() <= before)


async def test_what_is_committed_while_giving_up_is_stored(members, connection, topic):
    first = await members()
    first.wanted = {Partition(topic, 0): 0, Partition(topic, 1): 0}

    second = await members()
    await until(lambda: owned(first, second) == [2, 2])

    assert first.committed == [True]


async def test_the_commit_gate_is_shut_between_giving_up_and_the_next_assignment(members, topic):
    first = await members()
    gates, apply = [], first.owner.apply
    first.owner.apply = lambda *assigned: gates.append(first.consumer._membership.may_commit) or apply(*assigned)
    shut = []
    request = first.consumer._client._coordinator._send_req

    async def seen(sent):
        if "Join" in type(sent).__name__:
            shut.append(await first.consumer.commit({Partition(topic, 0): 0}))
        return await request(sent)

    first.consumer._client._coordinator._send_req = seen

    await members()
    await until(lambda: owned(first) == [2])
    await until(lambda: first.consumer._membership.may_commit)

    assert shut[0] is False
    assert gates[0] is False


async def test_a_zombie_cannot_rewind_an_empty_group(members, connection, topic):
    """Thrown out, aiokafka commits with generation -1, which Kafka accepts while the group is empty."""
    await send(connection, topic, b"0")
    zombie = await members()
    await until(lambda: zombie.records)
    [record] = zombie.records
    place = Partition(record.topic, record.partition)
    assert await zombie.consumer.commit({place: 1})

    coordinator, group, tries = zombie.consumer._client._coordinator, zombie.consumer._group, []
    reset = coordinator.reset_generation

    def try_to_commit():
        """What aiokafka does after `commit()` waited: the gate is still open then."""
        reset()
        offsets = {TopicPartition(*place): OffsetAndMetadata(0, "")}
        tries.append(asyncio.create_task(coordinator.commit_offsets(None, offsets)))

    coordinator.reset_generation = try_to_commit
    await coordinator._send_req(LeaveGroupRequest(group, coordinator.member_id))
    await until(lambda: zombie.owner.lost_because)
    failures = await asyncio.gather(*tries, return_exceptions=True)
    coordinator.reset_generation = reset

    async with Positions(connection) as positions:
        committed = await positions.committed(group, [place])
    assert {type(one) for one in failures} == {CommitFailedError}
    assert committed == {place: 1}
    assert "without this member" in zombie.owner.lost_because[0]
    await until(lambda: owned(zombie) == [4])


async def test_a_plain_member_of_another_assignor_is_told_apart(members, connection, kafka_server, topic):
    group = f"{topic}-group"
    plain = AIOKafkaConsumer(topic, bootstrap_servers=kafka_server.address, group_id=group)
    await plain.start()

    ours = KafkaConsumer(connection, group, [topic], client_id="x")
    with pytest.raises(BrokerUnavailable, match="another assignor"):
        await ours.start(RecordingOwner())
    await plain.stop()
