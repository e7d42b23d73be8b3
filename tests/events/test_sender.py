"""How the producer of `send` is, and how it comes back by itself."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from events.core.broker import OutgoingRecord, Place
from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka.connection import WrongArguments
from events.sending import sending
from tests.producers import FakeProducer
from tests.waiting import until

RECORD = OutgoingRecord("quotes", b"k", b"v")


@asynccontextmanager
async def kept(make_producer, *, eager, hopeless=None):
    stop = asyncio.Event()
    async with sending(make_producer) as sender:
        keeping = asyncio.create_task(sender.keep_connected(stop, eager=eager, hopeless=hopeless))
        yield sender
        stop.set()
        await keeping


async def test_it_connects_before_the_first_event_where_it_is_to(kafka):
    async with kept(kafka.make_producer, eager=True) as sender:
        before = sender.part("send", eager=True).state
        await until(lambda: sender.part("send", eager=True).state == "running")

    assert (before, kafka.starts, kafka.sends) == ("starting", 1, 0)


async def test_where_it_is_not_to_it_connects_with_the_first_event(kafka):
    async with kept(kafka.make_producer, eager=False) as sender:
        await asyncio.sleep(0)
        before = (kafka.starts, sender.part("send", eager=False).state)
        await sender.send([RECORD], 5)

    assert (before, kafka.starts) == ((0, "running"), 1)


async def test_an_outage_ends_by_itself_and_not_with_the_next_event(kafka, caplog):
    kafka.away = True
    async with kept(kafka.make_producer, eager=False) as sender:
        [result] = await sender.send([RECORD], 5)
        away = sender.part("send", eager=False)
        kafka.away = False
        await until(lambda: sender.part("send", eager=False).state == "running")

    assert isinstance(result, BrokerUnavailable)
    assert (away.state, away.why) == ("waiting", "nobody answers")
    assert [one.getMessage().split(":")[0][:13] for one in caplog.records] == ["send() waits,", "send() goes o"]


async def test_that_kafka_went_away_is_seen_while_nobody_sends(kafka):
    async with kept(kafka.make_producer, eager=True) as sender:
        await until(lambda: kafka.producers)
        kafka.producers[0].away = BrokerUnavailable("no broker answers")
        await until(lambda: sender.part("send", eager=True).state == "waiting")
        kafka.producers[0].away = None
        await until(lambda: sender.part("send", eager=True).state == "running")

    assert kafka.starts == 1


async def test_a_short_outage_costs_no_event_because_the_producer_has_patience(kafka):
    async with kept(kafka.make_producer, eager=True) as sender:
        await until(lambda: kafka.producers)
        kafka.producers[0].away = BrokerUnavailable("no broker answered a moment ago")
        await until(lambda: sender.part("send", eager=True).state == "waiting")
        [place] = await sender.send([RECORD], 5)

    assert (type(place), kafka.starts) == (Place, 1)


async def test_when_it_lasts_longer_than_send_has_patience_a_new_producer_fails_at_once(kafka, settings):
    settings.EVENTS = {**settings.EVENTS, "SEND_TIMEOUT": 0.05}
    async with kept(kafka.make_producer, eager=True) as sender:
        await until(lambda: kafka.producers)
        kafka.away, kafka.producers[0].away = True, BrokerUnavailable("no broker answers")
        await until(lambda: kafka.starts >= 2)
        [result] = await sender.send([RECORD], 60)

    assert str(result) == "nobody answers"


async def test_a_refused_record_is_no_outage(kafka):
    kafka.refuses = lambda record: True
    async with kept(kafka.make_producer, eager=False) as sender:
        await sender.send([RECORD], 5)

        assert sender.part("send", eager=False).state == "running"


@pytest.mark.parametrize("error", [ClientRefused("wrong password"), WrongArguments("wrong password")])
async def test_what_waiting_does_not_cure_is_told_once(error):
    told = []

    def make():
        raise error

    async with kept(make, eager=True, hopeless=told.append) as sender:
        await until(lambda: told)
        part = sender.part("send", eager=True)

    assert [str(one) for one in told] == ["wrong password"]
    assert (part.state, part.why) == ("waiting", "wrong password")


async def test_what_an_error_that_is_not_ours_says_is_for_the_log_and_not_for_health(kafka, caplog, monkeypatch):
    async def refused(producer):
        raise ValueError("the token server refuses client_secret=hunter2")

    monkeypatch.setattr(FakeProducer, "start", refused)
    async with kept(kafka.make_producer, eager=False) as sender:
        await sender.send([RECORD], 5)
        part = sender.part("send", eager=False)

    assert (part.state, part.why) == ("waiting", "ValueError: the log says more")
    assert "client_secret" in caplog.text
