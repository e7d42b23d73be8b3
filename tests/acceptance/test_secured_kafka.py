"""A Kafka that demands TLS and a log-in: everything works there, and what is set wrongly is said, without a secret."""

import asyncio
import json
import logging
import re
import shutil
import sqlite3
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.request import urlopen

import pytest

from events.core.broker import OutgoingRecord, Partition, Place
from events.core.errors import BrokerError, BrokerUnavailable, ClientRefused
from events.kafka import topics
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.listener import KafkaListener
from events.kafka.positions import Positions
from events.kafka.producer import KafkaProducer
from events.kafka.topics import Shape
from tests.acceptance.project import ROOT, Project
from tests.certificates import Authority
from tests.events.kafka.owner import RecordingOwner, collect, send
from tests.secured_kafka import GUEST, PASSWORD, USER, secured_kafka
from tests.waiting import until_sync
from tools.server import free_port

__all__ = ["secured_kafka"]
pytestmark = pytest.mark.kafka

WRONG = "hunter3-is-a-wrong-password"
SECRETS = re.compile(f"{WRONG}|{PASSWORD}|{USER}|{GUEST}")
LOG_IN_FAILED = "check sasl_mechanism, user and password"
CERTIFICATE = "ssl_cafile must hold the authority that signed"
WAIT_S = 90


@pytest.fixture
def name():
    """For topics and groups that no other test has."""
    return f"shop.{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that signed nothing of the broker's."""
    return Authority(tmp_path_factory.mktemp("stranger")).certificate


def connect(address, arguments):
    arguments = {**arguments, "retry_backoff_ms": 200}
    return Connection(address, producer=arguments, consumer=arguments)


async def consume(connection, name, count):
    """Read as many records, commit behind the last one; return the values."""
    consumer, owner = KafkaConsumer(connection, f"{name}-group", [name], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    try:
        records = await collect(consumer, owner, count)
        assert await consumer.commit({Partition(name, records[-1].partition): records[-1].offset + 1})
    finally:
        await consumer.stop()
    return [record.value for record in records]


async def hear(listener):
    async with asyncio.timeout(WAIT_S):
        while not (records := await listener.fetch(10)):
            pass
    return [record.value for record in records]


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "PLAIN", "certificate"])
async def test_topics_producer_group_and_listener_work_with(way, secured_kafka, name, caplog):
    """At level DEBUG, where aiokafka logs every request."""
    caplog.set_level(logging.DEBUG)
    by_certificate = (secured_kafka.tls_address, secured_kafka.certified())
    connection = connect(*(by_certificate if way == "certificate" else secured_kafka.at(way)))

    await topics.create(connection, {name: Shape(1, 1)})
    listener = KafkaListener(connection, [name], name="Broadcast push", client_id="x")
    try:
        await listener.start({})
        sent = await send(connection, name, b"1", b"2")
        consumed, heard = await consume(connection, name, 2), await hear(listener)
    finally:
        await listener.stop()
    async with Positions(connection) as positions:
        committed = await positions.committed(f"{name}-group", [Partition(name, 0)])

    assert (await topics.read(connection))[name] == Shape(1, 1)
    assert [type(one) for one in sent] == [Place, Place]
    assert (consumed, heard[0]) == ([b"1", b"2"], b"1")
    assert committed == {Partition(name, 0): 2}
    assert PASSWORD not in caplog.text


def plain(arguments, protocol):
    """The same log-in without TLS."""
    return {name: one for name, one in arguments.items() if "ssl" not in name} | {"security_protocol": protocol}


def mistakes(server, stranger):
    """What is set wrongly: address and arguments, whether it is refused for good, and what is said."""
    log_in, closed = server.log_in(), "Is {} the security_protocol of that port?"
    tls = {"security_protocol": "SSL", "ssl_cafile": log_in["ssl_cafile"]}
    return {
        "password": (server.address, server.log_in(password=WRONG), True, LOG_IN_FAILED),
        "password of PLAIN": (server.address, server.log_in("PLAIN", password=WRONG), True, LOG_IN_FAILED),
        "mechanism": (server.address, server.log_in("SCRAM-SHA-256"), True, "one that the brokers offer"),
        "no log-in there": (server.kafka.address, plain(log_in, "SASL_PLAINTEXT"), True, "takes no log-in"),
        "authority": (server.address, server.log_in(authority=stranger), False, CERTIFICATE),
        "host": (server.address.replace("127.0.0.1", "localhost"), log_in, False, "not valid for 'localhost'"),
        "nothing set": (server.address, {}, False, closed.format("PLAINTEXT")),
        "no TLS": (server.address, plain(log_in, "SASL_PLAINTEXT"), False, closed.format("SASL_PLAINTEXT")),
        "no log-in": (server.address, tls, False, closed.format("SSL")),
        "no certificate": (server.tls_address, tls, False, "wants? a certificate of yours: ssl_certfile"),
    }


async def test_what_is_set_wrongly_is_said_with_what_to_change(secured_kafka, stranger):
    cases = mistakes(secured_kafka, stranger)

    said = {case: await refusals(connect(address, arguments)) for case, (address, arguments, *_) in cases.items()}

    for case, (address, _, for_good, words) in cases.items():
        assert [isinstance(error, ClientRefused) for error in said[case]] == [for_good] * 3, case
        assert [bool(re.search(words, str(error))) for error in said[case]] == [True] * 3, (case, said[case])
        assert [address in str(error) for error in said[case]] == [True] * 3, (case, said[case])
    assert not SECRETS.search(str(said))


async def refusals(connection):
    """With what a producer, a member of a group and whoever asks for topics are refused."""
    consumer = KafkaConsumer(connection, "shop.refused", ["shop.quotes"], client_id="x")
    attempts = (
        KafkaProducer(connection, deadline_s=60, client_id="x").start(),
        consumer.start(RecordingOwner()),
        topics.read(connection),
    )
    said = await asyncio.gather(*attempts, return_exceptions=True)
    assert all(isinstance(error, BrokerUnavailable) for error in said), said
    return said


async def test_a_user_without_rights_is_told_which_are_missing(secured_kafka, name):
    await topics.create(connect(*secured_kafka.at()), {name: Shape(1, 1)})
    guest = connect(*secured_kafka.at(user=GUEST))
    consumer = KafkaConsumer(guest, f"{name}-group", [name], client_id="x")
    listener = KafkaListener(guest, [name], name="Broadcast push", client_id="x")

    with pytest.raises(ClientRefused, match="grant WRITE"):
        await KafkaProducer(guest, deadline_s=60, client_id="x").start()
    with pytest.raises(ClientRefused, match=f"may not see the topic '{name}': grant DESCRIBE and READ"):
        await consumer.start(RecordingOwner())
    with pytest.raises(ClientRefused, match=f"may not see the topic '{name}': grant DESCRIBE and READ"):
        await listener.start({})
    with pytest.raises(BrokerError, match=f"{name}2 was not created: the user may not. Grant CREATE"):
        await topics.create(guest, {f"{name}2": Shape(1, 1)})


async def test_a_topic_without_rights_beside_one_with_them_refuses_its_own_records_only(secured_kafka, name):
    allowed = connect(*secured_kafka.at())
    await topics.create(allowed, {name: Shape(1, 1)})
    await topics.create(Connection(secured_kafka.kafka.address), {f"not-{name}": Shape(1, 1)})
    producer = KafkaProducer(allowed, deadline_s=60, client_id="x")
    await producer.start()
    try:
        results = await producer.send([OutgoingRecord(one, b"k", b"v") for one in (f"not-{name}", name)])
    finally:
        await producer.stop()

    assert [type(one).__name__ for one in results] == ["TopicRefused", "Place"]
    assert "grant DESCRIBE and READ or WRITE" in str(results[0])


@pytest.fixture
def project(tmp_path, prepared, secured_kafka, name):
    """The checkout with the settings of docs/operations.md, at a broker of the tests and one replica."""
    shutil.copy(prepared, tmp_path / "db.sqlite3")
    shown = (ROOT / "docs" / "operations.md").read_text().split("\n## Kafka with TLS and SASL\n")[1]
    shown = re.search(r"```python\n(.*?)```", shown, re.DOTALL)[1]
    for there, here in {
        "kafka:9093": secured_kafka.address,
        "/etc/kafka/ca.pem": str(secured_kafka.authority.certificate),
        '"shop",\n    "sasl_plain_p': f'"{USER}",\n    "sasl_plain_p',
    }.items():
        assert shown.count(there) == 1
        shown = shown.replace(there, here)
    more = f'EVENTS |= {{"PREFIX": "{name}.", "REPLICATION": 1}}\n'
    (tmp_path / "shown_settings.py").write_text(f"import os\nfrom config.settings import *\n{shown}{more}")
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "PYTHONPATH": str(tmp_path)}
    environment |= {"DJANGO_SETTINGS_MODULE": "shown_settings", "KAFKA_PASSWORD": PASSWORD}
    return Project(tmp_path, environment)


PUBLISH = """
from django.db import transaction
from events.publishing import publish
from examples.contracts import QuoteCreated
with transaction.atomic():
    publish(QuoteCreated(quote_id=7, title="Know thyself."))
"""


def test_an_event_travels_between_processes_with_the_settings_of_the_paper(project):
    project.manage("events_topics", "--apply")
    project.manage("shell", "--no-imports", "-c", PUBLISH)

    relayed = project.manage("events_relay", "--once")
    consumed = project.manage("events_consume", "--group", "likes", "--max-messages", "1")

    assert relayed.stdout == "1 sent.\n"
    with closing(sqlite3.connect(project.folder / "db.sqlite3")) as database:
        assert [*database.execute("SELECT id, title FROM likes_knownquote")] == [(7, "Know thyself.")]
    assert PASSWORD not in relayed.stderr + consumed.stdout + consumed.stderr


def test_commands_with_a_wrong_password_end_with_a_sentence(project):
    codes = {"events_topics": 2, "events_relay": 1, "events_consume": 1}

    with ThreadPoolExecutor() as pool:
        ended = pool.map(lambda one: project.manage(one, check=False, KAFKA_PASSWORD=WRONG), codes)

    for one, code in zip(ended, codes.values(), strict=True):
        said = one.stdout + one.stderr
        assert (one.returncode, LOG_IN_FAILED in said) == (code, True), said
        assert "Traceback" not in said
        assert WRONG not in said


def by_environment(project, address, arguments):
    """The same project, but for its settings: `config` with the environment."""
    text = json.dumps(arguments)
    given = {"EVENTS_BOOTSTRAP_SERVERS": address, "EVENTS_PRODUCER": text, "EVENTS_CONSUMER": text}
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "EVENTS_RUN": "relay,consume"}
    return Project(project.folder, project.environment | given | ours)


def health(port):
    """What a worker answers, once its port is open."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=30) as response:
            return response.read().decode()
    except OSError:
        return ""


def ended(process):
    """Its exit code after SIGTERM; nothing is left of it."""
    process.terminate()
    try:
        return process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def test_a_worker_with_a_wrong_authority_waits_and_its_health_says_why(project, secured_kafka, stranger):
    worker, port = by_environment(project, secured_kafka.address, secured_kafka.log_in(authority=stranger)), free_port()
    process = worker.manage_in_background("events_consume", "--group", "likes", "--health-port", str(port))
    try:
        said = until_sync(lambda: CERTIFICATE in (text := health(port)) and text, WAIT_S)
    finally:
        code = ended(process)

    assert code == 0
    assert json.loads(said)["state"] == "degraded"
    assert not SECRETS.search(said + (worker.folder / "manage.log").read_text())


def refused(answer):
    """The answer, once every part has tried."""
    why = answer.body["why"]
    return why and all(LOG_IN_FAILED in one for one in why) and answer


def test_a_web_process_serves_with_a_wrong_password_and_its_health_says_why(project, secured_kafka):
    web = by_environment(project, secured_kafka.address, secured_kafka.log_in("PLAIN", password=WRONG)).start()
    try:
        answer = until_sync(lambda: refused(web.ask("GET", "/health/")), WAIT_S)
        ready = web.ask("GET", "/health/ready")
    finally:
        web.stop()

    assert (answer.status, ready.status, answer.body["state"]) == (503, 200, "degraded")
    assert not SECRETS.search(str(answer.body) + web.log)
