"""The health of a process over HTTP, as its parts come up, wait, are refused and end."""

import asyncio
import gc
import json
import weakref

import pytest
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.test import AsyncClient, Client, RequestFactory

from events.core.errors import BrokerUnavailable
from events.core.health import Part
from events.health import health_of
from events.models import OutboxRecord
from events.sending import asend
from events.views import health
from events.worker import consumers, consuming, process_here, relay_alone, relaying, sending
from lifespan import Lifespan, Run, current
from lifespan.testing import running
from tests.effects import Happened, elsewhere, write
from tests.events.kafka.refusing import SASL, SECRET, refusing_broker
from tests.events.test_worker import publish
from tests.waiting import until

NOBODY = "127.0.0.1:9"
pytestmark = pytest.mark.parametrize("outbox_database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _subscriber(declared, outbox_database):
    declared.subscriber(Happened, name="note")(lambda event: write(event.thing))


def application(*resources):
    return Lifespan(get_asgi_application(), *resources)


async def ask(probe):
    response = await AsyncClient().get(f"/health/{probe}")
    assert response["Cache-Control"] == "no-store"
    return response.status_code, response.json()


async def becomes(probe, status, state, timeout=60):
    """Ask until the answer is this one; return its body."""
    async with asyncio.timeout(timeout):
        while True:
            answer, body = await ask(probe)
            if (answer, body["state"]) == (status, state):
                return body
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("probe", ["live", "live/", "ready", "ready/", ""])
async def test_a_run_without_parts_is_well_and_each_address_answers_without_the_database(events, probe):
    async with running(application()):
        status, body = await ask(probe)  # the database fixture would refuse a query on this thread

    assert (status, body) == (200, {"state": "running", "why": [], "parts": {}})


async def test_without_a_run_it_is_alive_not_started_and_says_how_to_start():
    answers = {probe: await ask(probe) for probe in ("live", "ready", "")}

    assert {probe: status for probe, (status, _) in answers.items()} == {"live": 200, "ready": 503, "": 503}
    assert answers["ready"][1]["state"] == "not started"
    assert "Lifespan" in answers["ready"][1]["why"][0]


def test_under_wsgi_it_says_the_same():
    response = Client().get("/health/ready")

    assert (response.status_code, response.json()["state"]) == (503, "not started")


async def test_a_probe_that_is_told_503_is_no_error_in_the_log_and_no_mail_to_admins(caplog):
    status, _ = await ask("ready")

    assert status == 503
    assert [record for record in caplog.records if record.name == "django.request"] == []


async def test_only_get_and_head_are_answered_and_nobody_need_be_signed_in():
    refused = await health(RequestFactory().post("/health/"), probe="")
    head = await AsyncClient().head("/health/live")

    assert (refused.status_code, head.status_code, head.content) == (405, 200, b"")
    assert health.login_required is False


async def test_with_kafka_away_a_web_process_is_ready_and_degraded_and_says_what_waits(events):
    events(BOOTSTRAP_SERVERS=NOBODY, RUN=["relay", "consume"])

    async with running(application(sending, relaying, consuming)):
        body = await becomes("ready", 200, "degraded")
        await until(lambda: all(part.state == "waiting" for part in process_here().parts), 60)
        whole, live = await ask(""), await ask("live")

    assert (whole[0], live[0]) == (503, 200)
    assert set(body["parts"]) == {"send", "relay", "group tests"}
    assert all(NOBODY in part["why"] for part in whole[1]["parts"].values())


async def test_a_worker_is_ready_when_it_knows_its_assignment_and_not_while_kafka_is_away(events, mock_cluster):
    mock_cluster.create_topic("effects", 2)
    mock_cluster.down()
    events(BOOTSTRAP_SERVERS=mock_cluster.address)

    async with running(application(*consumers())):
        away = await becomes("ready", 503, "degraded")
        mock_cluster.up()
        works = await becomes("ready", 200, "running")
        mock_cluster.down()
        again = await becomes("ready", 503, "degraded")
        mock_cluster.up()
        await becomes("ready", 200, "running")
        current().draining.set()
        draining = await ask("ready")

    assert mock_cluster.address in away["parts"]["group tests"]["why"]
    assert works["parts"]["group tests"]["partitions"] == 2
    assert "No broker answers" in again["why"][0]
    assert (draining[0], draining[1]["state"]) == (503, "draining")


async def test_a_web_process_is_whole_again_when_kafka_is_back_also_while_nobody_publishes(events, mock_cluster):
    mock_cluster.down()
    events(BOOTSTRAP_SERVERS=mock_cluster.address, RUN=["relay"])

    async with running(application(sending, relaying)):
        await becomes("ready", 200, "degraded")
        mock_cluster.up()
        await becomes("", 200, "running")
        mock_cluster.down()
        await becomes("", 503, "degraded", timeout=90)
        mock_cluster.up()
        await becomes("", 200, "running", timeout=90)


async def test_a_relay_that_stands_by_for_another_is_ready(events, mock_cluster):
    events(BOOTSTRAP_SERVERS=mock_cluster.address)
    first, second = Run(*relay_alone()), Run(*relay_alone())
    await first.start()
    await until(lambda: health_of(first).process().state == "running", 60)
    await second.start()
    try:
        await until(lambda: health_of(second).process().ready, 60)
        states = [health_of(run).process().parts[0].state for run in (first, second)]
    finally:
        await second.finish()
        await first.finish()

    assert states == ["running", "standby"]


async def test_what_a_request_publishes_and_sends_while_the_process_drains_is_not_lost(
    events, mock_cluster, outbox_database
):
    mock_cluster.create_topic("effects", 2)
    events(BOOTSTRAP_SERVERS=mock_cluster.address, RUN=["relay"])

    async with running(application(sending, relaying)):
        await becomes("", 200, "running")
        current().draining.set()
        await until(lambda: process_here().parts[1].state == "stopped")
        place = await asend(Happened(thing="sent"))
        await publish(outbox_database, "published")
        (left,) = elsewhere(lambda: list(OutboxRecord.objects.using(outbox_database)))

    assert place.topic == left.topic == "effects"


async def test_a_refused_log_in_leaves_a_web_process_serving_and_says_why(events, caplog):
    async with refusing_broker() as address:
        events(BOOTSTRAP_SERVERS=address, RUN=["relay", "consume"], PRODUCER=SASL, CONSUMER=SASL)
        async with running(application(sending, relaying, consuming)):
            await until(lambda: all("the log-in failed" in part.why for part in process_here().parts), 60)
            (ready, body), (live, _) = await ask("ready"), await ask("live")

    told = json.dumps(body)
    assert (ready, live, body["state"]) == (200, 200, "degraded")
    assert told.count("the log-in failed: check sasl_mechanism") >= 3
    assert SECRET not in told + caplog.text
    assert SASL["sasl_plain_username"] not in told


@pytest.mark.parametrize("command", ["events_consume", "events_relay"])
async def test_a_refused_log_in_ends_a_worker_with_exit_code_1_and_one_line(events, caplog, command):
    async with refusing_broker() as address:
        events(BOOTSTRAP_SERVERS=address, PRODUCER=SASL, CONSUMER=SASL)
        with pytest.raises(SystemExit) as end:
            await asyncio.to_thread(call_command, command)

    ours = [one for one in caplog.records if one.name.split(".")[0] in ("events", "lifespan")]
    said = [one.getMessage() for one in ours if one.levelno >= 30]
    assert end.value.code == 1
    assert len(said) == 1
    assert "failed, the process stops: ClientRefused" in said[0]
    assert "check sasl_mechanism, user and password" in said[0]
    assert not any(one.exc_info for one in ours)


@pytest.mark.parametrize("resources", [(sending,), (relaying,)])
async def test_a_process_gives_up_when_a_part_was_red_for_so_long(events, caplog, resources):
    events(BOOTSTRAP_SERVERS=NOBODY, RUN=["relay"], GIVE_UP=2.0)
    run = Run(*resources)
    await run.start()

    async with asyncio.timeout(60):
        await run.draining.wait()
    await run.finish()

    (problem,) = run.problems
    assert 'given up after 2 s (EVENTS["GIVE_UP"])' in problem
    assert NOBODY in problem


async def test_without_give_up_it_waits_for_ever(events):
    events(BOOTSTRAP_SERVERS=NOBODY, RUN=["relay"])
    run = Run(relaying)
    await run.start()

    names = {task.get_name() for task in asyncio.all_tasks()}
    await run.finish()

    assert "give up" not in names


async def test_a_run_that_has_failed_is_not_alive(events):
    run = Run()
    await run.start()
    health_of(run).fail(BrokerUnavailable("one"))
    health_of(run).fail(BrokerUnavailable("what follows from it"))
    process = health_of(run).process()
    await run.finish()

    assert (process.live, process.state, process.problems) == (False, "failed", ["BrokerUnavailable: one"])


async def test_where_no_address_is_given_send_is_stopped_and_says_what_to_set(events):
    events(RUN=["none"])

    async with running(application(sending)):
        status, body = await ask("")

    assert (status, body["parts"]["send"]["state"]) == (200, "stopped")
    assert "BOOTSTRAP_SERVERS" in body["parts"]["send"]["why"]


async def test_a_part_of_a_run_is_not_seen_in_another(events):
    one, other = Run(), Run()
    health_of(one).parts["relay"] = lambda: Part("relay", "waiting", 0.0)

    assert health_of(other).process().parts == []


async def test_what_is_known_of_a_run_goes_with_it():
    run = Run()
    health_of(run).parts["relay"] = lambda: Part("relay", "running", 0.0)
    known = weakref.ref(health_of(run))

    del run
    gc.collect()

    assert known() is None
