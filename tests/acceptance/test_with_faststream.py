"""A FastStream broker as a resource of `Lifespan`, under a real uvicorn: it reads our events, and we read its."""

import asyncio
import os
import shutil
import signal
import uuid

import pytest

from events.core.broker import Partition
from events.embedded.folder import Folder
from events.kafka.connection import Connection
from events.kafka.positions import Positions
from tests.acceptance.project import Project
from tests.acceptance.services import EFFECT_S, Services
from tests.brokers import mock_cluster  # noqa: F401 - a fixture
from tests.waiting import until_sync

APPLICATION = "examples.with_faststream.asgi:application"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.acceptance.logging_settings"}
NOTED = {"type": "QuoteCreated", "group": "faststream"}


@pytest.fixture
def on_the_embedded_broker(together):
    """Both services and FastStream in one process, not yet started."""
    together.quotes.application = APPLICATION
    together.quotes.environment |= SETTINGS
    return together


@pytest.fixture
def on_kafka(tmp_path, prepared, kafka_server):
    """The same on a real Kafka."""
    shutil.copy(prepared, tmp_path / "db.sqlite3")
    prefix = f"{uuid.uuid4().hex[:8]}."
    project = Project(
        tmp_path,
        SETTINGS
        | {
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "EVENTS_BOOTSTRAP_SERVERS": kafka_server.address,
            "EVENTS_PREFIX": prefix,
            "EVENTS_REPLICATION": "1",
        },
        application=APPLICATION,
    )
    project.manage("events_topics", "--apply")
    yield Services(project, project, "/likes")
    project.close()


@pytest.fixture
def on_a_kafka_that_is_away(tmp_path, prepared, mock_cluster):  # noqa: F811
    """The same on a broker that does not answer, and the broker."""
    for topic in ("quotes", "likes"):
        mock_cluster.create_topic(topic, 1)
    mock_cluster.down()
    shutil.copy(prepared, tmp_path / "db.sqlite3")
    where = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "EVENTS_BOOTSTRAP_SERVERS": mock_cluster.address}
    project = Project(tmp_path, SETTINGS | where, application=APPLICATION)
    yield Services(project, project, "/likes"), mock_cluster
    project.close()


@pytest.fixture(params=["on_the_embedded_broker", "on_kafka"])
def services(request):
    """Both services and FastStream in one process, started."""
    services = request.getfixturevalue(request.param)
    services.quotes.start()
    return services


def noted(services, quote_id):
    """How often FastStream's subscriber has had its effect for this quote."""
    return services.quotes.count("examples.PassedEvent", **NOTED, key=str(quote_id))


def test_faststream_reads_our_event_and_we_count_its(services):
    quote_id = services.create("Know thyself.").body["id"]

    services.wait_for_likes(quote_id, 1)

    assert noted(services, quote_id) == 1
    assert services.like(quote_id, "bob").status in (201, 404)


def test_it_stops_cleanly_and_goes_on_where_it_was(services):
    first = services.create("Know thyself.").body["id"]
    services.wait_for_likes(first, 1)

    code = services.quotes.stop()
    services.quotes.start()
    second = services.create("Nothing in excess.").body["id"]
    services.wait_for_likes(second, 1)

    assert code in (0, -15)  # uvicorn ends itself with the signal that it caught
    assert services.quotes.stop() in (0, -15)
    assert "Traceback" not in services.quotes.log
    assert "Unclosed" not in services.quotes.log
    assert services.quotes.log.count("FastStream is closed.") == 2


def test_at_a_stop_its_group_is_left_and_all_is_committed(on_kafka):
    on_kafka.quotes.start()
    on_kafka.wait_for_likes(on_kafka.create("Know thyself.").body["id"], 1)

    on_kafka.quotes.stop()

    assert asyncio.run(lag(on_kafka.quotes.environment)) == 0


async def lag(environment):
    """How many records of the topic the group has not committed."""
    prefix = environment["EVENTS_PREFIX"]
    partitions = [Partition(prefix + "quotes", number) for number in range(6)]
    async with Positions(Connection(environment["EVENTS_BOOTSTRAP_SERVERS"])) as positions:
        ends = await positions.ends(partitions)
        committed = await positions.committed(prefix + "faststream", partitions)
    return sum(end - (committed[partition] or 0) for partition, end in ends.items())


def test_with_kafka_away_the_web_serves_and_faststream_follows_when_it_is_there(on_a_kafka_that_is_away):
    services, kafka = on_a_kafka_that_is_away
    services.quotes.start()
    quote_id = services.create("Know thyself.").body["id"]
    until_sync(lambda: "FastStream waits for Kafka: nobody answers" in services.quotes.log, EFFECT_S)

    kafka.up()

    services.wait_for_likes(quote_id, 1)
    assert "Unclosed" not in services.quotes.log


def test_with_kafka_away_a_stop_does_not_wait(on_a_kafka_that_is_away):
    services, _ = on_a_kafka_that_is_away
    services.quotes.start()

    assert services.quotes.stop() in (0, -15)
    assert "Traceback" not in services.quotes.log


def test_on_a_new_embedded_broker_it_opens_anew(on_the_embedded_broker):
    services = on_the_embedded_broker
    services.quotes.start()
    services.wait_for_likes(services.create("Know thyself.").body["id"], 1)

    os.kill(Folder(services.quotes.environment["EVENTS_EMBEDDED_FOLDER"]).state().pid, signal.SIGKILL)
    until_sync(lambda: services.quotes.log.count("FastStream is up.") >= 2, EFFECT_S)

    services.wait_for_likes(services.create("Nothing in excess.").body["id"], 1)
