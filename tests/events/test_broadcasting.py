"""Broadcast subscribers in whole processes: on the embedded broker, and with Kafka away."""

import asyncio
import logging
import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from events import topics
from events.checks import check
from events.core import broadcast
from events.core import event as event_module
from events.core.errors import BrokerUnavailable
from events.development import embedded_use
from events.embedded.client import status, stop
from events.health import health_of
from events.sending import asend
from events.worker import broadcasting, consumers, sending
from tests.effects import Elsewhere, Happened
from tests.events.runs import up
from tests.waiting import until, until_sync

NOBODY = "127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture
def embedded(settings, tmp_path):
    """The embedded broker, in a folder of the test; a web process runs nothing but broadcasts."""
    pytest.importorskip("confluent_kafka")
    settings.DEBUG = True
    folder = tmp_path / "embedded"
    settings.EVENTS = {**settings.EVENTS, "EMBEDDED_FOLDER": str(folder), "PARTITIONS": 2, "RUN": ["none"]}
    yield folder
    until_sync(lambda: stop(folder) is None)


async def hear(*runs):
    """Wait until all broadcasts of these runs are heard: a start waits for that 5 s at most."""
    await until(lambda: all(health_of(run).process().state == "running" for run in runs), 60)


@pytest.mark.embedded
async def test_what_is_sent_after_the_start_is_heard_by_every_process_and_nothing_before(embedded, declared):
    heard = []
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: heard.append(event.thing))

    async with up(sending):
        await asend(Happened(thing="before"))
        async with up(broadcasting) as one, up(broadcasting) as other:
            await hear(one, other)
            await asend(Happened(thing="after"))
            await until(lambda: len(heard) >= 2, 30)
        await asend(Happened(thing="late"))

    assert heard == ["after", "after"]


@pytest.mark.embedded
async def test_a_subscriber_that_hangs_or_raises_holds_up_no_other_and_no_stop(embedded, declared, monkeypatch):
    monkeypatch.setattr(broadcast, "STOP_S", 0.1)
    heard, hangs = [], asyncio.Event()

    @declared.subscriber(Happened, broadcast=True)
    async def hang(event):
        hangs.set()
        await asyncio.Event().wait()

    @declared.subscriber(Happened, broadcast=True)
    async def push(event):
        heard.append(event.number)
        raise ValueError("each time")

    async with asyncio.timeout(60), up(sending), up(broadcasting) as run:
        await hear(run)
        for number in range(5):
            await asend(Happened(thing="one", number=number))
        await until(lambda: len(heard) >= 5, 30)
        await hangs.wait()

    assert heard == list(range(5))


@pytest.mark.embedded
async def test_a_sync_call_that_outlives_the_stop_is_not_said_to_come_again(embedded, declared, monkeypatch, caplog):
    monkeypatch.setattr(broadcast, "STOP_S", 0.1)
    begun, may_end = threading.Event(), threading.Event()

    @declared.subscriber(Happened, broadcast=True)
    def hang(event):
        begun.set()
        may_end.wait(60)

    async with asyncio.timeout(60), up(sending), up(broadcasting) as run:
        await hear(run)
        await asend(Happened(thing="one"))
        await until(begun.is_set, 30)
    may_end.set()

    assert "1 of 1 database threads still run a subscriber. It is a broadcast" in caplog.text
    assert "comes again" not in caplog.text


@pytest.mark.embedded
async def test_when_the_embedded_broker_is_replaced_it_listens_to_the_new_one(embedded, declared):
    heard = []
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: heard.append(event.thing))

    async with asyncio.timeout(60), up(sending), up(broadcasting) as run:
        await hear(run)
        await asend(Happened(thing="before"))
        await until(lambda: heard)
        os.kill(status(embedded).pid, signal.SIGKILL)
        while heard[-1] != "after":
            with suppress(BrokerUnavailable):
                await asend(Happened(thing="after"))
            await asyncio.sleep(0.2)

    assert heard[0] == "before"


@pytest.mark.embedded
async def test_the_relay_does_not_wait_for_listeners(embedded, declared):
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: None)

    async with up(broadcasting):
        await until(lambda: status(embedded).users)
        found = embedded_use()

    assert found.groups == {}


async def test_with_kafka_away_a_web_process_starts_and_stops_at_once(settings, declared, caplog):
    settings.EVENTS = {**settings.EVENTS, "BOOTSTRAP_SERVERS": NOBODY, "RUN": ["none"]}
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: None)

    began = time.monotonic()
    async with up(broadcasting):
        await until(lambda: "Broadcast push waits" in caplog.text)

    assert time.monotonic() - began < 10


async def test_where_none_is_declared_nothing_starts(settings, declared, caplog):
    caplog.set_level(logging.INFO)
    settings.EVENTS = {**settings.EVENTS, "BOOTSTRAP_SERVERS": NOBODY}
    declared.subscriber(Happened, name="note")(lambda event: None)

    async with up(broadcasting):
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("Broadcast")] == []

    assert caplog.text == ""


async def test_the_start_line_names_them(settings, declared, caplog):
    caplog.set_level(logging.INFO, "events.worker")
    settings.EVENTS = {**settings.EVENTS, "BOOTSTRAP_SERVERS": NOBODY, "RUN": ["none"]}
    for name in ("push", "refresh"):
        declared.subscriber(Happened, broadcast=True, name=name)(lambda event: None)

    async with up(broadcasting):
        pass

    assert "This process hears broadcasts: push, refresh." in caplog.text


@pytest.mark.parametrize(("groups", "parts"), [((), ["tests", "push"]), (["tests"], ["tests"])])
def test_consumers_run_them_when_no_group_is_named(declared, groups, parts):
    declared.subscriber(Happened, name="note")(lambda event: None)
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: None)

    roles = {resource.keywords["role"] for resource in consumers(groups)}

    assert [[*role.consumes, *role.hears] for role in roles] == [parts]


def test_consumers_run_broadcasts_alone_where_there_is_no_group(declared):
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: None)

    assert len(consumers()) == 2
    with pytest.raises(LookupError, match="no group 'push'"):
        consumers(["push"])


def test_where_there_is_no_group_nothing_is_counted_that_could_end_the_process(declared):
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: None)

    with pytest.raises(LookupError, match="not counted"):
        consumers(max_records=1)


def test_their_topics_are_wanted_and_they_need_no_group(settings, monkeypatch, declared):
    settings.EVENTS = {}
    monkeypatch.setattr(event_module, "declared", [Elsewhere])
    declared.subscriber(Elsewhere, broadcast=True, name="push")(lambda event: None)

    assert [*topics.declared()] == ["elsewhere"]
    assert [one.id for one in check() if one.id in ("kafka_events.E003", "kafka_events.E007")] == []
