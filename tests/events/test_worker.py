"""The parts put together: on the embedded broker, with Kafka away, and with settings that cannot work."""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from events.core.broker import Record
from events.core.errors import BrokerUnavailable
from events.core.identity import uuid7
from events.core.outcome import DONE, Again, Outage
from events.database import database_threads
from events.embedded.client import status, stop
from events.models import HandledEvent, OutboxRecord
from events.sending import asend
from events.worker import Quota, consumers, consuming, kafka_of, relay_alone, relay_once, relaying, sending
from lifespan import NotStarted, Run
from tests.effects import Happened, aeffects, effects, elsewhere, write
from tests.events.runs import up
from tests.events.test_round_trip import publish_all
from tests.waiting import until, until_sync

sqlite_alone = pytest.mark.parametrize("outbox_database", ["sqlite"], indirect=True)
NOBODY = "127.0.0.1:9"  # the discard port: nobody listens there
ALL = (sending, relaying, consuming)


@pytest.fixture
def embedded(events, settings, tmp_path):
    """The embedded broker, in a folder of the test."""
    pytest.importorskip("confluent_kafka")
    settings.DEBUG = True
    folder = tmp_path / "embedded"
    events(EMBEDDED_FOLDER=str(folder), PARTITIONS=2)
    yield folder
    until_sync(lambda: stop(folder) is None, 60)


async def publish(alias, *things):
    async with database_threads(1) as threads, threads.borrowed() as thread:
        await thread.run(publish_all, alias, *things)


@sqlite_alone
@pytest.mark.embedded
async def test_on_the_embedded_broker_everything_runs_in_one_process(embedded, declared, outbox_database, caplog):
    caplog.set_level(logging.INFO, "events.worker")
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))

    async with up(*ALL):
        await publish(outbox_database, "published")
        await asend(Happened(thing="sent"))
        await until(lambda: status(embedded).users == [os.getpid()])
        await _effects_are("published", "sent")

    said = [line.getMessage() for line in caplog.records if line.name == "events.worker"]
    assert "in memory, for development" in said[0]
    runs = ["This process sends.", "This process runs the relay.", "This process runs the subscribers of tests."]
    assert said[1:] == ["Topics: effects", *runs]


async def _effects_are(*names):
    await until(lambda: elsewhere(effects) == sorted(names), 60)  # a relay may wait 10 s for a broker that has died


@sqlite_alone
@pytest.mark.embedded
async def test_a_process_tells_of_what_it_opens_and_not_of_what_it_might(embedded, declared, caplog):
    caplog.set_level(logging.INFO, "events")
    declared.subscriber(Happened, name="note")(lambda event: None)

    async with up(sending), up(sending):
        said = [line.getMessage() for line in caplog.records if line.name == "events.worker"]
        alone = caplog.text

        async with up(consuming), up(consuming):
            await until(lambda: "Two processes consume group tests" in caplog.text)

    assert [line for line in said if line.startswith("This")] == ["This process sends."] * 2
    assert "Two processes" not in alone


@sqlite_alone
@pytest.mark.embedded
async def test_when_the_embedded_broker_is_replaced_all_go_on_with_the_new_one(embedded, declared, outbox_database):
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))

    async with up(*ALL):
        await publish(outbox_database, "before")
        await _effects_are("before")
        os.kill(status(embedded).pid, signal.SIGKILL)
        await publish(outbox_database, "after")
        await _effects_are("after", "before")


@sqlite_alone
@pytest.mark.embedded
async def test_what_is_sent_after_the_embedded_broker_was_replaced_goes_to_the_new_one(
    embedded, events, declared, outbox_database
):
    events(SEND_TIMEOUT=60)  # what went to the dead one fails because that was replaced, and not because time is over
    async with up(sending):
        await asend(Happened(thing="before"))
        dead = status(embedded).pid
        os.kill(dead, signal.SIGKILL)
        await until(lambda: (now := status(embedded)) and now.pid != dead and now.users, 60)
        async with asyncio.timeout(30):
            await _sends("after")


async def _sends(thing):
    """Send it, and again for as long as the dead broker is not known to be dead."""
    while True:
        with suppress(BrokerUnavailable):
            return await asend(Happened(thing=thing))


@sqlite_alone
async def test_a_process_that_only_consumes_prunes_the_inbox(events, declared, outbox_database):
    events(BOOTSTRAP_SERVERS=NOBODY, RUN=["consume"], INBOX_DAYS=5)
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))
    rows = HandledEvent.objects.using(outbox_database)
    old = [HandledEvent(subscriber_id=1, event_id=uuid7(), at=timezone.now() - timedelta(days=n)) for n in (1, 9)]
    elsewhere(partial(rows.bulk_create, old))

    async with up(*ALL):
        await until(lambda: elsewhere(rows.count) == 1)


@sqlite_alone
@pytest.mark.embedded
async def test_the_relay_alone_sends_what_waits(embedded, outbox_database):
    await publish(outbox_database, "one", "two")

    sent = await relay_once()

    assert sent == 2
    async with up(*relay_alone()):
        await publish(outbox_database, "three")
        await until(lambda: elsewhere(OutboxRecord.objects.using(outbox_database).count) == 0, 60)


@sqlite_alone
@pytest.mark.embedded
async def test_consumers_stop_after_so_many_records(embedded, declared, outbox_database):
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))
    await publish(outbox_database, *"abcde")
    await relay_once()

    async with up(*consumers(["tests"], max_records=3)) as run:
        async with asyncio.timeout(60):
            await run.draining.wait()

    assert len(await aeffects()) == 3


@sqlite_alone
async def test_with_kafka_away_a_web_process_starts_and_stops_at_once(events, declared, outbox_database, caplog):
    events(BOOTSTRAP_SERVERS=NOBODY, RUN=["relay", "consume"])
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))

    async with asyncio.timeout(15):  # a start that waited for Kafka would take 25
        async with up(*ALL):
            await publish(outbox_database, "one")
            await until(lambda: "Group tests waits" in caplog.text)

    assert elsewhere(OutboxRecord.objects.using(outbox_database).count) == 1


@sqlite_alone
async def test_without_an_address_and_without_debug_the_relay_says_what_to_set(events, outbox_database):
    events(RUN=["relay"])

    with pytest.raises(NotStarted, match=r"EVENTS\['BOOTSTRAP_SERVERS'\]"):
        await Run(sending, relaying).start()


@sqlite_alone
async def test_a_web_process_that_runs_nothing_serves_without_an_address(events, outbox_database, caplog):
    events(RUN=["none"])

    async with up(*ALL):
        pass

    assert "send() does not work in this process" in caplog.text


@sqlite_alone
async def test_arguments_that_cannot_work_are_refused_at_the_start_without_their_values(events, outbox_database):
    events(BOOTSTRAP_SERVERS=NOBODY, PRODUCER={"sasl_plain_pasword": "hunter2"})

    with pytest.raises(NotStarted, match="sasl_plain_password") as caught:
        await Run(sending).start()

    assert "hunter2" not in str(caught.value)


@sqlite_alone
async def test_a_client_of_ones_own_learns_where_kafka_is(events):
    events(BOOTSTRAP_SERVERS=NOBODY)

    async with kafka_of(Run()) as kafka:
        assert kafka.address == NOBODY


def test_an_unknown_group_is_refused_with_the_known_ones(declared):
    declared.subscriber(Happened, name="note", group="shop")(write)

    with pytest.raises(LookupError, match=r"'shp'.*: shop\."):
        consumers(["shp"])


async def test_a_quota_lets_exactly_so_many_records_be_closed():
    outcomes, reached = iter([[DONE, Again(1)], [Outage("away")], [DONE, DONE]]), []
    quota = Quota(3, lambda: reached.append(True))

    async def answer(records):
        return next(outcomes)[: len(records)]

    handle = quota.limiting(answer)
    records = [Record("t", 0, offset, None, b"") for offset in range(3)]
    seen = [await handle(records[:2]), await handle(records[:1]), await handle(records), await handle(records)]

    assert seen == [[DONE, Again(1)], [Outage("away")], [DONE, DONE, Again(1.0)], [Again(1.0)] * 3]
    assert reached == [True]
