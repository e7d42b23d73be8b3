"""The producer on the mock cluster: results, refusals, outages, closing."""

import asyncio
import gc
import time

import pytest

from events.core.broker import OutgoingRecord, Place
from events.core.errors import BatchRefused, BrokerUnavailable, RecordRefused, TopicRefused
from events.kafka.connection import Connection
from events.kafka.producer import KafkaProducer

PRODUCE, INIT_PRODUCER_ID = 0, 22
MESSAGE_TOO_LARGE, NOT_AUTHORISED, INVALID_RECORD, NOT_LEADER = 10, 29, 87, 6


def record(value=b"v", topic="quotes", key=b"k"):
    return OutgoingRecord(topic, key, value)


@pytest.fixture
async def producers(mock_cluster):
    """Makes started producers, and stops them at the end. `deadline_s`: of the sends, a start has more."""
    mock_cluster.create_topic("quotes", 1)
    made = []

    async def make(deadline_s=30.0, **arguments):
        connection = Connection(mock_cluster.address, producer=arguments)
        made.append(KafkaProducer(connection, deadline_s=30.0, client_id="test"))
        await made[-1].start()
        made[-1]._deadline_s = deadline_s
        return made[-1]

    yield make
    for producer in made:
        await producer.stop()


async def test_each_record_gets_its_place_in_order(producers):
    producer = await producers()

    results = await producer.send([record(b"%d" % n) for n in range(5)])

    assert results == [Place("quotes", 0, n) for n in range(5)]


async def test_nothing_to_send_is_no_work(producers):
    producer = await producers()

    assert await producer.send([]) == []


async def test_the_first_record_does_not_wait_for_the_pause_between_metadata_requests(producers, monkeypatch):
    monkeypatch.setattr("events.kafka.client.METADATA_PAUSE_S", 3600)
    producer = await producers()

    results = await producer.send([record()])

    assert results == [Place("quotes", 0, 0)]


async def test_an_unknown_topic_is_refused_soon_the_others_go_and_it_is_not_created(producers, mock_cluster):
    producer = await producers(deadline_s=120)

    began = time.monotonic()
    results = await producer.send([record(), record(topic="nowhere"), record()])

    assert time.monotonic() - began < 20  # aiokafka would ask for as long as it may
    assert [type(result) for result in results] == [Place, TopicRefused, Place]
    assert "'nowhere' does not exist" in str(results[1])
    assert "manage.py events_topics --apply" in str(results[1])
    assert mock_cluster.create_topic("nowhere", 1) is True


async def test_a_record_that_is_too_large_for_us_harms_nobody_but_the_later_ones_of_its_key(producers):
    producer = await producers(max_request_size=1000)

    results = await producer.send([record(key=b"a"), record(b"x" * 2000), record(), record(key=b"b")])
    after = await producer.send([record()])

    assert [type(result) for result in results] == [Place, RecordRefused, BrokerUnavailable, Place]
    assert "max_request_size" in str(results[1])
    assert [type(result) for result in after] == [Place]


@pytest.mark.parametrize("code", [MESSAGE_TOO_LARGE, INVALID_RECORD])
async def test_a_record_refused_alone_is_refused_for_good(producers, mock_cluster, code):
    producer = await producers()

    mock_cluster.push_errors(PRODUCE, code)
    [result] = await producer.send([record()])

    assert type(result) is RecordRefused


async def test_records_refused_together_are_not_called_refused(producers, mock_cluster):
    producer = await producers()

    mock_cluster.push_errors(PRODUCE, MESSAGE_TOO_LARGE)
    results = await producer.send([record(), record(), record()])

    assert [type(result) for result in results] == [BatchRefused] * 3


async def test_a_topic_that_may_not_be_written_refuses_each_record_for_good(producers, mock_cluster):
    producer = await producers()

    mock_cluster.push_errors(PRODUCE, NOT_AUTHORISED)
    results = await producer.send([record(), record()])

    assert [type(result) for result in results] == [TopicRefused] * 2
    assert "grant" in str(results[0])


async def test_after_a_send_that_was_cancelled_stop_sends_nothing_more(producers, mock_cluster, monkeypatch):
    monkeypatch.setattr("events.kafka.producer.FLUSH_S", 30.0)
    producer = await producers(max_batch_size=200)
    await producer.send([record()])
    mock_cluster.rtt(6000)  # no answer before the stop, also when the machine stands still for a while
    sending = asyncio.create_task(producer.send([record(b"x" * 100) for _ in range(20)]))
    assert not (await asyncio.wait({sending}, timeout=0.4))[0]

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    began = time.monotonic()
    await producer.stop()
    took = time.monotonic() - began
    mock_cluster.rtt(0)

    assert mock_cluster.kept("quotes", 0).end <= 2  # what was on the wire; a flush brings one more, which waited
    assert took < 20


async def test_what_passes_by_itself_is_tried_again(producers, mock_cluster):
    producer = await producers()

    mock_cluster.push_errors(PRODUCE, NOT_LEADER, NOT_LEADER)
    results = await producer.send([record()])

    assert results == [Place("quotes", 0, 0)]


async def test_an_outage_ends_a_send_at_its_deadline_and_a_new_producer_goes_on(producers, mock_cluster, caplog):
    producer = await producers(deadline_s=1.0)
    await producer.send([record()])

    mock_cluster.down()
    began = time.monotonic()
    results = await producer.send([record(b"x" * 1000) for _ in range(1000)])
    again = await producer.send([record()])
    took = time.monotonic() - began
    await producer.stop()
    stopped = time.monotonic() - began - took
    mock_cluster.up()
    later = await (await producers()).send([record()])

    assert {type(result) for result in results + again} == {BrokerUnavailable}
    assert [one.getMessage() for one in caplog.records if one.name == "asyncio"] == []
    assert took < 20  # aiokafka waits for 120
    assert stopped < 20
    assert [type(result) for result in later] == [Place]


async def test_no_broker_is_said_at_once():
    producer = KafkaProducer(Connection("127.0.0.1:1"), deadline_s=120, client_id="test")

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="127.0.0.1:1"):
        await producer.start()
    await producer.stop()

    assert time.monotonic() - began < 20


async def test_a_start_that_gets_no_answer_ends_at_the_deadline(mock_cluster):
    mock_cluster.rtt(60_000)
    producer = KafkaProducer(Connection(mock_cluster.address), deadline_s=0.5, client_id="test")

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        await producer.start()

    assert time.monotonic() - began < 20


async def test_stop_flushes_and_leaves_no_task_and_no_warning(producers, mock_cluster):
    before = asyncio.all_tasks()
    producer = await producers()
    sending = asyncio.create_task(producer.send([record(b"%d" % n) for n in range(100)]))
    await asyncio.sleep(0)

    results, _ = await asyncio.gather(sending, producer.stop())
    await producer.stop()
    del sending
    gc.collect()

    places = [result for result in results if isinstance(result, Place)]
    assert mock_cluster.kept("quotes", 0).end == len(places)
    assert [type(one) for one in await producer.send([record()])] == [BrokerUnavailable]
    assert asyncio.all_tasks() <= before


async def test_a_hard_stop_leaves_no_task(producers, mock_cluster):
    before = asyncio.all_tasks()
    producer = await producers(deadline_s=0.3)
    await producer.send([record()])
    mock_cluster.rtt(60_000)
    await producer.send([record()])

    await producer.stop()
    await asyncio.sleep(0)
    gc.collect()

    assert asyncio.all_tasks() <= before
