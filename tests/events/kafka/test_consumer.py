"""The consumer on the mock cluster: joining, fetching, commits, outages, stopping. See `test_reading` for the rest."""

import asyncio
import gc
import time
from itertools import pairwise
from types import NoneType

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError

from events.core.broker import Partition
from events.core.errors import BrokerUnavailable, MembershipLost
from events.kafka.connection import Connection
from events.kafka.reading import NOWHERE
from tests.events.kafka.owner import RecordingOwner, collect, commit_earlier, connect, write
from tests.waiting import until

ZERO = Partition("quotes", 0)


async def test_a_new_group_reads_from_the_earliest_record(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 3)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()

    await consumer.start(owner)
    records = await collect(consumer, owner, 3)

    assert [(one.place, one.key, one.value, one.headers) for one in records] == [
        (("quotes", 0, n), b"k", b"%d" % n, (("h", b"v"),)) for n in range(3)
    ]
    assert consumer.position(ZERO) == 3


async def test_a_member_starts_where_an_earlier_one_committed_and_commits_for_the_next_one(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 3)
    await commit_earlier(mock_cluster, 2)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)

    records = await collect(consumer, owner, 1)
    stored = await consumer.commit({ZERO: 3})

    assert [one.offset for one in records] == [2]
    assert (stored, await consumer._client.committed(TopicPartition(*ZERO))) == (True, 3)


async def test_many_partitions_without_a_commit_start_together(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 12)
    consumer, owner, asked = consumers(connect(mock_cluster)), RecordingOwner(), []
    await consumer.start(owner)
    seek = consumer._client.seek_to_beginning
    consumer._client.seek_to_beginning = lambda *partitions: asked.append(len(partitions)) or seek(*partitions)

    async with asyncio.timeout(30):
        while None in [consumer.position(one) for one in owner.owned]:
            await consumer.fetch(owner.owned, 100)

    assert len(owner.owned) == 12
    assert len(asked) < 12  # some at a time: one alone would cost each of them a question


async def test_fetch_takes_at_most_what_it_is_told_and_only_from_the_partitions_named(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    await write(mock_cluster, 10)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)

    first = await collect(consumer, owner, 4, at_most=4)
    none = [await consumer.fetch([], 10) for _ in range(3)]

    assert (len(first), none) == (4, [{}, {}, {}])
    assert consumer.position(ZERO) == 4


async def test_an_idle_fetch_returns_soon(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    await consumer.fetch(owner.owned, 10)

    times = [time.monotonic()]
    for _ in range(5):
        assert await consumer.fetch(owner.owned, 10) == {}
        times.append(time.monotonic())

    assert min(end - begin for begin, end in pairwise(times)) < 0.6  # the machine may stand still in the others


async def test_a_commit_of_a_partition_that_is_not_ours_is_refused(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())

    assert await consumer.commit({Partition("quotes", 7): 1}) is False


async def test_a_commit_before_the_start_and_after_the_stop_is_refused(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))

    before = await consumer.commit({ZERO: 1})
    await consumer.start(RecordingOwner())
    await consumer.stop()

    assert (before, await consumer.commit({ZERO: 1})) == (False, False)


async def test_without_a_generation_no_commit_leaves_this_process(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())
    coordinator, sent = consumer._client._coordinator, []
    send, coordinator._send_req = coordinator._send_req, lambda request: sent.append(request) or send(request)

    coordinator.generation = -1
    by_us = await consumer.commit({ZERO: 1})
    with pytest.raises(Exception, match="gate"):
        await coordinator._do_commit_offsets(None, {ZERO: 1})

    assert by_us is False
    assert [one for one in sent if "Commit" in type(one).__name__] == []


async def test_a_commit_that_gets_no_answer_ends(mock_cluster, consumers, monkeypatch):
    monkeypatch.setattr("events.kafka.consumer.COMMIT_S", 0.3)
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())

    mock_cluster.down()
    began = time.monotonic()
    stored = await consumer.commit({ZERO: 1})

    assert stored is False
    assert time.monotonic() - began < 20  # aiokafka waits for 70


async def test_no_broker_is_said_at_once(consumers):
    consumer = consumers(Connection("127.0.0.1:1"))

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="127.0.0.1:1"):
        await consumer.start(RecordingOwner())

    assert time.monotonic() - began < 20  # a join may take 70


async def test_a_topic_that_is_not_there_is_said_soon_and_not_created(mock_cluster, consumers):
    consumer = consumers(connect(mock_cluster), topics=["nowhere"])

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="'nowhere' does not exist.*manage.py events_topics --apply"):
        await consumer.start(RecordingOwner())

    assert time.monotonic() - began < 20  # a join may take 70
    assert mock_cluster.create_topic("nowhere", 1) is True


async def test_records_come_again_after_an_outage(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    await consumer.fetch(owner.owned, 10)

    mock_cluster.down()
    during = await consumer.fetch(owner.owned, 10)
    mock_cluster.up()
    await write(mock_cluster, 1)
    after = await collect(consumer, owner, 1)

    assert during == {}
    assert [one.value for one in after] == [b"0"]


async def test_stop_is_quick_in_an_outage_and_ends_a_fetch(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    before = asyncio.all_tasks()
    mock_cluster.down()
    fetch = asyncio.create_task(consumer.fetch(owner.owned, 10))
    await asyncio.sleep(0)

    began = time.monotonic()
    await consumer.stop()
    await consumer.stop()

    assert time.monotonic() - began < 20  # a request may take 70
    assert await fetch == {}
    with pytest.raises(MembershipLost, match="stopped"):
        await consumer.fetch(owner.owned, 10)
    assert asyncio.all_tasks() <= before | {fetch}


async def test_stop_ends_a_start_that_waits_for_a_slow_member(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 2)
    may_give_up = asyncio.Event()
    slow, owner = consumers(connect(mock_cluster)), RecordingOwner(may_give_up.wait)
    await slow.start(owner)
    joiner = consumers(connect(mock_cluster))
    joining = asyncio.create_task(joiner.start(RecordingOwner()))
    await until(lambda: owner.calls[-1][0] == "give_up")

    began = time.monotonic()
    await joiner.stop()
    took = time.monotonic() - began
    with pytest.raises(BrokerUnavailable, match="stopped before it had joined"):
        await joining
    may_give_up.set()

    assert took < 15  # the session, which a join would wait for, is twice as long


async def test_stop_ends_a_start_at_a_broker_that_says_nothing(consumers):
    streams = []
    server = await asyncio.start_server(lambda *both: streams.append(both), "127.0.0.1", 0)
    consumer = consumers(Connection(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    starting = asyncio.create_task(consumer.start(RecordingOwner()))
    await until(lambda: streams)

    began = time.monotonic()
    await consumer.stop()
    took = time.monotonic() - began
    with pytest.raises(BrokerUnavailable, match="stopped before it had joined"):
        await starting
    for _, writer in streams:
        writer.close()
    server.close()

    assert took < 15  # the session, which a join would wait for, is twice as long


async def test_a_commit_that_was_given_up_is_not_sent_later(mock_cluster, consumers, monkeypatch):
    """aiokafka shields what it sends: it would go out behind the next JoinGroup, and cost one more rebalance."""
    monkeypatch.setattr("events.kafka.consumer.COMMIT_S", 3.0)
    mock_cluster.create_topic("quotes", 1)
    consumer = consumers(connect(mock_cluster))
    await consumer.start(RecordingOwner())
    coordinator, connected, asked, sent = consumer._client._coordinator, asyncio.Event(), [], []
    send = coordinator._send_req

    async def send_when_connected(request):
        if "Commit" in type(request).__name__:
            asked.append(request)
            await connected.wait()
            sent.append(request)
        return await send(request)

    coordinator._send_req = send_when_connected

    stored = await consumer.commit({ZERO: 1})
    await consumer._membership.shut()
    connected.set()
    await asyncio.sleep(0.1)

    assert (stored, len(asked), sent) == (False, 1, [])


async def test_a_join_that_succeeds_after_the_stop_does_not_open_the_commit_gate(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = consumers(connect(mock_cluster)), RecordingOwner()
    await consumer.start(owner)
    membership = consumer._membership
    await membership.on_partitions_revoked({TopicPartition(*ZERO)})

    await membership.end()
    told = len(owner.calls)
    await membership.on_partitions_assigned({TopicPartition(*ZERO)})

    assert membership.may_commit is False
    assert len(owner.calls) == told


async def test_a_fetch_that_comes_while_it_stops_leaves_no_error_behind(mock_cluster, consumers):
    mock_cluster.create_topic("quotes", 1)
    consumer, said, fetches = consumers(connect(mock_cluster)), [], []
    await consumer.start(RecordingOwner())
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    client, close = consumer._client, consumer._client._fetcher.close

    async def close_while_somebody_fetches_on():
        await close()
        if not fetches:
            begun = client._fetcher.fetched_records([NOWHERE], 0.2)  # it waited for a join
            fetches.extend(map(asyncio.create_task, (client.getmany(NOWHERE, timeout_ms=200), begun)))
            await asyncio.sleep(0)

    client._fetcher.close = close_while_somebody_fetches_on

    await consumer.stop()
    await asyncio.wait(fetches)
    assert [type(one.exception()) for one in fetches] == [ConsumerStoppedError, NoneType]
    gc.collect()
    assert said == []
