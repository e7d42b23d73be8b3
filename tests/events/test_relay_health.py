"""What a relay says of itself, and what it learns of Kafka while there is nothing to send."""

import pytest
from django.db import OperationalError

from events.core.errors import BrokerUnavailable, ClientRefused
from events.relay import Relay
from tests.events.relaying import QUICK, Counted, Running, publish_all
from tests.waiting import until


async def test_it_connects_before_the_first_event_and_then_it_runs(outbox_database, kafka, relay):
    async with Running(relay):
        await relay.works.wait()
        part = relay.part("relay")

    assert (part.state, part.why, part.facts, kafka.starts) == ("running", "", {"sent": 0}, 1)


async def test_with_kafka_away_it_waits_and_says_so_also_with_an_empty_outbox(outbox_database, kafka, relay):
    kafka.away = True

    async with Running(relay):
        await until(lambda: relay.part("relay").state == "waiting")
        why = relay.part("relay").why
        kafka.away = False
        await until(lambda: relay.part("relay").state == "running")

    assert why == "nobody answers"


async def test_that_kafka_went_away_is_seen_while_there_is_nothing_to_send(outbox_database, kafka, relay):
    async with Running(relay):
        await until(lambda: kafka.producers)
        kafka.producers[0].away = BrokerUnavailable("no broker answers")
        await until(lambda: kafka.starts == 2)
        await until(lambda: relay.part("relay").state == "running")


async def test_it_stands_by_while_another_leads_and_asks_no_broker(
    outbox_database, database_thread, other_thread, kafka, relay
):
    first = Relay(kafka.make_producer, other_thread, options=QUICK)
    async with Running(first):
        await until(lambda: first.leads)
        async with Running(relay):
            await relay.works.wait()
            part = relay.part("relay")

    assert (part.state, kafka.starts) == ("standby", 1)


async def test_what_waiting_does_not_cure_ends_it(outbox_database, database_thread):
    def make():
        raise ClientRefused("wrong password")

    with pytest.raises(ClientRefused):
        await Relay(make, database_thread, options=QUICK).run()


async def test_what_the_database_says_is_for_the_log_only(outbox_database, database_thread, kafka, relay, monkeypatch):
    async def fails():
        raise OperationalError('connection to "db" failed for user "shop"')

    monkeypatch.setattr(relay._lease, "hold", fails)
    async with Running(relay):
        await until(lambda: relay.part("relay").state == "waiting")
        why = relay.part("relay").why

    assert why == "the database: OperationalError: the log says more"


async def test_it_counts_what_it_has_sent(outbox_database, database_thread, kafka, relay):
    await database_thread.run(publish_all, outbox_database, Counted(key="a", number=1))

    async with Running(relay):
        await until(lambda: relay.part("relay").facts["sent"] == 1)
