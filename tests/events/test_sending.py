"""`send` and `asend`: straight to Kafka, from the loop and from threads."""

import asyncio
import os
import threading
import warnings

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.test import TestCase

from events import Event
from events.core.broker import OutgoingRecord, Place
from events.core.errors import BrokerUnavailable, InvalidEvent, NotStarted, RecordRefused
from events.publishing import aatomic, asend, asend_many, send, send_many
from events.sending import DualWrite, sending
from tests.producers import FakeKafka
from tests.waiting import until


class Sent(Event, topic="sending-tests", key="key"):
    key: str
    number: int = 0


@pytest.fixture
async def sender(kafka):
    async with sending(kafka.make_producer) as sender:
        yield sender


async def test_asend_returns_the_place_of_the_event(kafka, sender):
    place = await asend(Sent(key="a"))

    assert isinstance(place, Place)
    assert place.topic == "sending-tests"
    assert kafka.values == [b'{"key":"a","number":0}']


async def test_many_go_together_and_in_order(kafka, sender):
    places = await asend_many(Sent(key="a", number=number) for number in range(20))

    assert [place.offset for place in places] == list(range(20))
    assert kafka.sends == 1


async def test_who_sends_at_the_same_time_shares_a_batch_and_gets_its_own_place(kafka, sender):
    kafka.hold = asyncio.Event()
    first = asyncio.create_task(asend(Sent(key="first")))
    await kafka.reached.wait()
    others = [asyncio.create_task(asend(Sent(key="other", number=number))) for number in range(50)]
    await until(lambda: len(sender._waiting) == 50)

    kafka.hold.set()
    places = await asyncio.gather(first, *others)

    assert kafka.sends == 2
    assert [place.offset for place in places] == list(range(51))


async def test_a_sync_view_sends_from_its_thread(kafka, sender):
    places = await asyncio.to_thread(send_many, [Sent(key="a"), Sent(key="b")])

    assert len(places) == 2
    assert len(kafka.records) == 2


async def test_another_event_loop_of_the_process_sends_through_the_first(kafka, sender):
    place = await asyncio.to_thread(lambda: asyncio.run(asend(Sent(key="a"))))

    assert isinstance(place, Place)


async def test_on_the_thread_of_a_loop_send_names_asend(kafka, sender):
    with pytest.raises(SynchronousOnlyOperation, match="await asend"):
        send(Sent(key="a"))

    assert kafka.records == []


async def test_with_nothing_started_it_says_what_to_do():
    with pytest.raises(NotStarted, match="Lifespan"):
        await asend(Sent(key="a"))
    with pytest.raises(NotStarted, match="publish"):
        await asyncio.to_thread(send, Sent(key="a"))


async def test_the_producer_of_another_process_is_not_used(kafka, sender):
    sender.process = os.getpid() + 1  # as a forked child sees it

    with pytest.raises(NotStarted):
        await asend(Sent(key="a"))


async def test_an_event_that_nobody_could_decode_is_not_sent(kafka, sender):
    with pytest.raises(InvalidEvent):
        await asend(Sent(key="a", number="one"))

    assert kafka.starts == 0


async def test_kafka_away_is_an_error_at_once_and_over_when_it_is_back(kafka, sender):
    kafka.away = True
    with pytest.raises(BrokerUnavailable):
        await asend(Sent(key="a"))

    kafka.away = False

    assert await asend(Sent(key="a"))
    assert kafka.starts >= 2


async def test_a_refused_event_fails_alone_and_the_next_has_a_new_producer(kafka, sender):
    kafka.refuses = lambda record: record.key == b"large"
    kafka.hold = asyncio.Event()
    first = asyncio.create_task(asend(Sent(key="first")))
    await kafka.reached.wait()
    together = [asyncio.create_task(asend(Sent(key=key))) for key in ("a", "large", "large", "b")]
    await until(lambda: len(sender._waiting) == 4)

    kafka.hold.set()
    results = await asyncio.gather(first, *together, return_exceptions=True)

    assert [type(result) for result in results] == [Place, Place, RecordRefused, RecordRefused, Place]
    assert sorted(record.key for record in kafka.records) == [b"a", b"b", b"first"]


async def test_one_refused_event_of_many_is_the_error_and_what_follows_it_is_not_sent(kafka, sender):
    kafka.refuses = lambda record: b'"number":1}' in record.value

    with pytest.raises(RecordRefused):
        await asend_many(Sent(key="a", number=number) for number in range(3))

    assert kafka.values == [b'{"key":"a","number":0}']


async def test_it_waits_no_longer_than_the_settings_say(kafka, sender, settings):
    settings.EVENTS = {**settings.EVENTS, "SEND_TIMEOUT": 0.05}
    kafka.hold = asyncio.Event()

    with pytest.raises(BrokerUnavailable, match=r"within 0\.05 s"):
        await asend(Sent(key="a"))
    with pytest.raises(BrokerUnavailable, match=r"within 0\.05 s"):
        await asyncio.to_thread(send, Sent(key="waited behind it"))

    kafka.hold.set()
    await until(lambda: kafka.producers[0].state == "open")
    assert len(kafka.records) == 1  # nobody waits for the second one: it is not sent


async def test_a_replaced_broker_gets_a_new_producer(kafka, sender):
    await asend(Sent(key="before"))

    sender.renew()
    await asend(Sent(key="after"))

    assert kafka.starts == 2
    assert len(kafka.producers) == 1


async def test_what_was_on_its_way_to_a_replaced_broker_fails_at_once(kafka, sender):
    kafka.hold = asyncio.Event()
    under_way = asyncio.create_task(asend(Sent(key="under way")))
    await kafka.reached.wait()

    sender.renew()
    with pytest.raises(BrokerUnavailable, match="replaced"):
        await under_way
    kafka.hold = None

    assert await asend(Sent(key="after"))
    assert kafka.starts == 2


async def test_closing_finishes_what_is_under_way_and_refuses_the_rest(kafka):
    kafka.hold = asyncio.Event()
    async with sending(kafka.make_producer) as sender:
        under_way = asyncio.create_task(asend(Sent(key="under way")))
        await kafka.reached.wait()
        waiting = asyncio.create_task(asend(Sent(key="waiting")))
        await until(lambda: len(sender._waiting) == 1)
        asyncio.get_running_loop().call_soon(kafka.hold.set)

    assert await under_way
    with pytest.raises(BrokerUnavailable, match="stopping"):
        await waiting
    assert kafka.producers == []


async def test_send_inside_a_transaction_warns_of_the_dual_write(kafka, sender, outbox_database, database_thread):
    def in_a_transaction():
        with transaction.atomic(using=outbox_database):
            send(Sent(key="a"))

    with pytest.warns(DualWrite, match="publish") as caught:
        await database_thread.run(in_a_transaction)

    assert caught[0].filename == __file__
    assert len(kafka.records) == 1


async def test_asend_inside_aatomic_warns_too(kafka, sender, outbox_database, database_thread):
    async with database_thread.context(), aatomic(using=outbox_database):
        with pytest.warns(DualWrite, match="publish") as caught:
            await asend(Sent(key="a"))

    assert caught[0].filename == __file__
    await asend(Sent(key="b"))


async def test_the_warning_points_at_the_caller_of_each_way_to_send(kafka, sender, outbox_database, database_thread):
    def in_a_transaction():
        with transaction.atomic(using=outbox_database):
            send_many([Sent(key="a")])

    with pytest.warns(DualWrite) as caught:
        await database_thread.run(in_a_transaction)
    async with database_thread.context(), aatomic(using=outbox_database):
        with pytest.warns(DualWrite) as acaught:
            await asend_many([Sent(key="a")])

    assert [caught[0].filename, acaught[0].filename] == [__file__] * 2


async def test_a_transaction_on_another_database_is_no_dual_write(kafka, sender, outbox_database, database_thread):
    async with database_thread.context(), aatomic(using="default"):
        assert await asend(Sent(key="a"))


class InsideTestCase(TestCase):
    """The transaction of Django's TestCase is not the user's: no warning."""

    def test_it_does_not_warn(self):
        kafka, started, done = FakeKafka(), threading.Event(), threading.Event()

        async def serve():
            async with sending(kafka.make_producer):
                started.set()
                await asyncio.to_thread(done.wait)

        thread = threading.Thread(target=asyncio.run, args=[serve()])
        thread.start()
        started.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            send(Sent(key="a"))
            with transaction.atomic(), self.assertWarns(DualWrite):
                send(Sent(key="b"))
        done.set()
        thread.join()

        assert len(kafka.records) == 2


async def test_what_is_sent_after_the_end_is_refused_and_opens_nothing(kafka):
    async with sending(kafka.make_producer) as sender:
        pass

    with pytest.raises(BrokerUnavailable, match="stopping: nothing was sent"):
        await sender.send([OutgoingRecord("sent", b"a", b"{}")], 1.0)

    assert kafka.starts == 0
