"""Brokers that are away are told from brokers that refuse us, at the start and later."""

import asyncio
import logging

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import InconsistentGroupProtocolError
from aiokafka.protocol.metadata import MetadataRequest

from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka.connection import Connection, WrongArguments
from events.kafka.consumer import KafkaConsumer
from events.kafka.failures import membership_lost, unavailable
from events.kafka.producer import KafkaProducer
from tests.events.kafka.owner import RecordingOwner, connect
from tests.events.kafka.refusing import LOG_IN_FAILED, NOT_A_LOG_IN_LISTENER, SASL, SECRET, refusing_broker
from tests.waiting import until

SYNC_GROUP, INVALID_REQUEST = 14, 42


def producer_at(address, **changes):
    return KafkaProducer(Connection(address, producer=SASL | changes), deadline_s=20, client_id="x")


def consumer_at(address):
    return KafkaConsumer(Connection(address, consumer=SASL), "g", ["quotes"], client_id="x")


async def refused_start(client, *arguments):
    with pytest.raises(ClientRefused) as caught:
        await client.start(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("code", "advice"),
    [(LOG_IN_FAILED, "check sasl_mechanism, user and password"), (NOT_A_LOG_IN_LISTENER, "takes no log-in")],
)
async def test_a_refused_log_in_is_no_outage_and_says_what_to_check(code, advice, caplog):
    caplog.set_level(logging.DEBUG)
    async with refusing_broker(code) as address:
        produced = await refused_start(producer_at(address))
        consumed = await refused_start(consumer_at(address), RecordingOwner())

    assert [advice in said and address in said for said in (produced, consumed)] == [True, True]
    assert SECRET not in produced + consumed + caplog.text
    assert SASL["sasl_plain_username"] not in produced + consumed


async def test_a_start_that_is_cancelled_in_the_middle_leaves_no_connection_open(mock_cluster, monkeypatch):
    made, asked, send = [], asyncio.Event(), AIOKafkaConnection.send

    async def unanswered(connection, request, *arguments, **options):
        if not isinstance(request, MetadataRequest):
            return await send(connection, request, *arguments, **options)
        made.append(connection)
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaConnection, "send", unanswered)
    starting = asyncio.create_task(
        KafkaConsumer(connect(mock_cluster), "g", ["quotes"], client_id="x").start(RecordingOwner())
    )
    await asked.wait()
    starting.cancel()
    await asyncio.wait({starting})

    assert [connection.connected() for connection in made] == [False]


async def test_a_mechanism_that_the_brokers_do_not_offer_is_no_outage():
    async with refusing_broker() as address:
        said = await refused_start(producer_at(address, sasl_mechanism="SCRAM-SHA-512"))

    assert "one that the brokers offer" in said


@pytest.mark.parametrize("settings", [{}, {"security_protocol": "SSL"}, SASL], ids=["plain", "tls", "log-in"])
async def test_nobody_there_is_an_outage_that_is_told_in_one_sentence(settings):
    with pytest.raises(BrokerUnavailable) as caught:
        await KafkaProducer(Connection("127.0.0.1:9", settings), deadline_s=20, client_id="x").start()

    assert not isinstance(caught.value, ClientRefused)
    assert str(caught.value) == "No broker answers at 127.0.0.1:9."


async def test_a_broker_without_tls_is_told_from_one_that_is_away():
    def greet(_reader, writer):
        writer.write(b"this is no TLS")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(BrokerUnavailable, match=f"No broker answers at {address}: SSLError"):
            await producer_at(address, security_protocol="SASL_SSL").start()


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT", "SSL"])
async def test_a_port_that_closes_each_connection_lets_the_settings_be_asked_about(protocol):
    def close(_reader, writer):
        writer.transport.abort()

    settings = SASL if protocol.startswith("SASL") else {}
    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(BrokerUnavailable, match=f"Is {protocol} the security_protocol of that port") as caught:
            await KafkaProducer(
                Connection(address, settings | {"security_protocol": protocol}), deadline_s=20, client_id="x"
            ).start()

    assert not isinstance(caught.value, ClientRefused)


async def test_a_running_consumer_tells_that_kafka_is_away_and_that_it_is_back(mock_cluster):
    mock_cluster.create_topic("quotes", 1)
    consumer, owner = KafkaConsumer(connect(mock_cluster), "g", ["quotes"], client_id="x"), RecordingOwner()
    await consumer.start(owner)
    try:
        mock_cluster.down()
        await until(lambda: owner.away, 30)
        said = str(owner.away)
        mock_cluster.up()
        await until(lambda: owner.away is None, 60)
    finally:
        await consumer.stop()

    assert said == f"No broker answers at {mock_cluster.address}."


async def test_one_broker_that_refuses_while_the_others_are_away_is_an_outage():
    async with refusing_broker() as address:
        with pytest.raises(BrokerUnavailable, match="1 of them refuse this client, the others are away") as caught:
            await producer_at(f"{address},127.0.0.1:9").start()

    assert not isinstance(caught.value, ClientRefused)


async def test_a_producer_that_has_sent_nothing_does_not_ask_for_all_topics_of_the_cluster(mock_cluster):
    mock_cluster.create_topic("somebody-else's", 1)
    producer = KafkaProducer(connect(mock_cluster), deadline_s=20, client_id="x")
    await producer.start()
    try:
        answered = await producer._client.client.force_metadata_update()
        known = producer._client.client.cluster.topics()
    finally:
        await producer.stop()

    assert (answered, known) == (True, set())


async def test_a_producer_that_runs_knows_that_kafka_is_away(mock_cluster):
    producer = KafkaProducer(connect(mock_cluster), deadline_s=10, client_id="x")
    await producer.start()
    try:
        mock_cluster.down()
        await until(lambda: producer.away, 60)
    finally:
        await producer.stop()


async def test_a_second_member_on_the_embedded_broker_is_told_what_to_do(mock_cluster):
    mock_cluster.create_topic("quotes", 1)
    mock_cluster.push_errors(SYNC_GROUP, INVALID_REQUEST)  # what librdkafka's mock says to a second member

    with pytest.raises(BrokerUnavailable) as caught:
        await KafkaConsumer(Connection(mock_cluster.address, embedded=True), "g", ["quotes"], client_id="x").start(
            RecordingOwner()
        )

    assert str(caught.value) == (
        "The embedded broker's groups have one member, and group g seems to have another: "
        'stop the other process, or set EVENTS["RUN"] = ["relay"] for the one that serves.'
    )


@pytest.mark.parametrize("guard", [unavailable, membership_lost])
def test_a_group_with_another_protocol_is_not_cured_by_waiting(guard):
    with pytest.raises(ClientRefused, match="use another assignor"), guard("Joining group g"):
        raise InconsistentGroupProtocolError


def test_what_aiokafka_does_not_build_is_a_wrong_setting():
    with pytest.raises(WrongArguments, match=r'refuses EVENTS\["PRODUCER"\]'):
        Connection("x:1", {"compression_type": "no-such-codec"}).new_producer("x")
