"""Broadcast subscribers in whole processes: on the embedded broker, and with Kafka away."""

import asyncio

import pytest

from events.core import event as event_module
from events.core.registry import registry
from events.embedded.client import stop
from events.sending import asend
from events.worker import broadcasting, consumers, sending
from lifespan import Run
from tests.effects import Happened
from tests.waiting import until, until_sync

NOBODY = "127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture
def declared(monkeypatch):
    """A default registry with one event class and no subscriber."""
    monkeypatch.setattr(registry, "subscribers", [])
    monkeypatch.setattr(event_module, "declared", [Happened])
    return registry


@pytest.fixture
def embedded(settings, tmp_path):
    """The embedded broker, in a folder of the test; a web process runs nothing but broadcasts."""
    pytest.importorskip("confluent_kafka")
    settings.DEBUG = True
    folder = tmp_path / "embedded"
    settings.EVENTS = {**settings.EVENTS, "EMBEDDED_FOLDER": str(folder), "PARTITIONS": 2, "RUN": ["none"]}
    yield folder
    until_sync(lambda: stop(folder) is None)


@pytest.mark.embedded
async def test_what_is_sent_after_the_start_is_heard_by_every_process_and_nothing_before(embedded, declared):
    heard = []
    declared.subscriber(Happened, broadcast=True, name="push")(lambda event: heard.append(event.thing))

    first = Run(sending)
    await first.start()
    await asend(Happened(thing="before"))
    second, third = Run(broadcasting), Run(broadcasting)
    await second.start()
    await third.start()
    await asend(Happened(thing="after"))
    await until(lambda: len(heard) >= 2, 30)
    for run in (third, second, first):
        await run.finish()

    assert heard == ["after", "after"]
    assert first.problems == second.problems == third.problems == []
