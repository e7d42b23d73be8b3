"""No password on Django's error page, which shows the local variables of every frame that an error left through."""

import asyncio
import socket
import sys

import pytest
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.views.debug import technical_500_response

from events import topics
from events.conf import config
from events.core.broker import OutgoingRecord
from events.core.errors import BrokerUnavailable
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.failures import alone, membership_lost
from events.kafka.positions import Positions
from events.kafka.producer import KafkaProducer
from events.kafka.topics import read
from events.sending import Sender
from events.topics import Shape
from tests.events.kafka.owner import RecordingOwner
from tests.events.kafka.refusing import SASL, SECRET

NOBODY = "127.0.0.1:1"


def patience(address):
    """Seconds for an attempt. Nobody refuses at once; who is silent has the time-out leave through the frames."""
    return 30 if address == NOBODY else 0.3


@pytest.fixture
def silent():
    """Listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def error_page():
    """What Django shows of the error that is being handled, with DEBUG."""
    return technical_500_response(RequestFactory().get("/"), *sys.exc_info()).content.decode()


def connect(address=NOBODY):
    return Connection(address, producer=SASL, consumer=SASL)


async def send(address):
    sender = Sender(lambda: KafkaProducer(connect(address), deadline_s=patience(address), client_id="x"))
    [result] = await sender.send([OutgoingRecord("quotes", b"k", b"v")], 60)
    raise result


async def produce(address):
    await KafkaProducer(connect(address), deadline_s=patience(address), client_id="x").start()


async def consume(address):
    consumer = KafkaConsumer(connect(address), "g", ["quotes"], client_id="x")
    async with asyncio.timeout(patience(address)):
        await consumer.start(RecordingOwner())


async def ask(address):
    async with asyncio.timeout(patience(address)), Positions(connect(address)):
        pass


async def read_topics(address):
    async with asyncio.timeout(patience(address)):
        await read(connect(address))


@pytest.mark.parametrize("attempt", [send, produce, consume, ask, read_topics])
async def test_nobody_listens(attempt):
    try:
        await attempt(NOBODY)
    except BrokerUnavailable:
        page = error_page()

    assert NOBODY in page
    assert SECRET not in page


@pytest.mark.parametrize("attempt", [send, produce, consume, ask, read_topics])
async def test_nobody_answers(attempt, silent):
    """The time-out leaves through the frames that connect and log in."""
    try:
        await attempt(silent)
    except (BrokerUnavailable, TimeoutError):
        page = error_page()

    assert "test_secrets.py" in page
    assert SECRET not in page


def test_events_topics_without_an_answer(settings, monkeypatch):
    settings.EVENTS = {"BOOTSTRAP_SERVERS": NOBODY, "PRODUCER": SASL, "CONSUMER": SASL}
    monkeypatch.setattr(topics, "declared", lambda: {"bells": Shape(1, 1)})

    try:
        call_command("events_topics")
    except CommandError:
        page = error_page()

    assert NOBODY in page
    assert SECRET not in page


WRONG = {
    "refused": {"acks": 1},
    "incomplete": {"sasl_plain_username": None},
    "unknown value": {"compression_type": "no-such-codec"},
    "no such file": {"security_protocol": "SASL_SSL", "ssl_certfile": "none.pem", "ssl_password": SECRET},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_arguments_that_cannot_work(wrong, settings):
    settings.EVENTS = {"PRODUCER": {**SASL, **WRONG[wrong]}}

    try:
        Connection(NOBODY, config().PRODUCER).new_producer("x")
    except ValueError:
        page = error_page()

    assert "test_secrets.py" in page
    assert SECRET not in page


def test_an_error_that_is_not_of_aiokafka_stays_itself_and_leaves_its_frames_behind():
    def log_in(password):
        raise AssertionError("gssapi library required")

    for guard in (alone(), membership_lost("Fetching")):
        with pytest.raises(AssertionError, match="gssapi") as caught, guard:
            log_in(SECRET)

        assert "log_in" not in [one.frame.code.name for one in caught.traceback]
