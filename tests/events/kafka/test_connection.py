"""The connection: defaults, what the user may change, and that no secret is ever shown."""

import inspect
import logging
import ssl
import traceback

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from events.core.errors import BrokerUnavailable
from events.kafka import logs
from events.kafka.arguments import problems
from events.kafka.connection import Connection
from events.kafka.consumer import KafkaConsumer
from events.kafka.producer import KafkaProducer
from tests.events.kafka.owner import RecordingOwner
from tests.events.kafka.refusing import SASL, SECRET


@pytest.mark.parametrize(
    ("client", "arguments"),
    [
        (AIOKafkaProducer, Connection("x:1").producer_arguments()),
        (AIOKafkaConsumer, Connection("x:1", embedded=True).consumer_arguments("group")),
        (AIOKafkaAdminClient, Connection("x:1", producer=SASL).admin_arguments()),
    ],
)
def test_every_argument_is_one_that_the_client_takes(client, arguments):
    inspect.signature(client).bind_partial(**arguments)


def test_the_promises_stand_in_the_arguments():
    producer = Connection("x:1").producer_arguments()
    consumer = Connection("x:1").consumer_arguments("readers")

    assert producer["enable_idempotence"] is True
    assert (consumer["enable_auto_commit"], consumer["auto_offset_reset"]) == (False, "none")
    assert (consumer["group_id"], consumer["rebalance_timeout_ms"]) == ("readers", 60_000)
    assert consumer["request_timeout_ms"] > consumer["rebalance_timeout_ms"]


def test_the_embedded_broker_has_its_own_defaults_and_the_user_wins():
    embedded = Connection("x:1", embedded=True).consumer_arguments("g")
    given = Connection("x:1", consumer={"fetch_max_wait_ms": 7}, embedded=True).consumer_arguments("g")

    assert (embedded["fetch_max_wait_ms"], embedded["session_timeout_ms"]) == (20, 3000)
    assert given["fetch_max_wait_ms"] == 7


def test_a_listener_is_in_no_group_and_asks_seldom_unless_the_user_says_otherwise():
    plain, own = Connection("x:1").listener_arguments(), Connection("x:1", consumer={"fetch_max_wait_ms": 7})
    embedded = Connection("x:1", embedded=True).listener_arguments()

    assert (plain["group_id"], plain["fetch_max_wait_ms"]) == (None, 500)
    assert (own.listener_arguments()["fetch_max_wait_ms"], embedded["fetch_max_wait_ms"]) == (7, 20)


@pytest.mark.parametrize(
    "given",
    [
        {"enable_auto_commit": True},
        {"auto_offset_reset": "earliest"},
        {"partition_assignment_strategy": ()},
        {"value_deserializer": bytes.decode},
        {"key_deserializer": bytes.decode},
        {"group_id": "mine"},
        {"group_instance_id": "one"},
        {"bootstrap_servers": "y:2"},
    ],
)
def test_a_consumer_argument_that_would_break_a_promise_is_refused_with_the_reason(given):
    [name] = given

    [problem] = problems({}, given)

    assert problem.startswith(f'EVENTS["CONSUMER"] must not set {name!r}: ')
    assert len(problem) > 70


@pytest.mark.parametrize(
    "given",
    [{"acks": 1}, {"enable_idempotence": False}, {"transactional_id": "t"}, {"value_serializer": str.encode}],
)
def test_a_producer_argument_that_would_break_a_promise_is_refused_with_the_reason(given):
    [problem] = problems(given, {})

    assert problem.startswith('EVENTS["PRODUCER"] must not set ')


def test_what_only_repeats_our_own_choice_is_no_problem():
    assert problems({"acks": "all", "enable_idempotence": True}, {"enable_auto_commit": False}) == []


def test_an_unknown_argument_gets_the_nearest_known_one():
    [problem] = problems({"max_batch_sise": 1}, {})

    assert problem == (
        "EVENTS[\"PRODUCER\"]: aiokafka has no argument 'max_batch_sise' there. Did you mean 'max_batch_size'?"
    )


def test_log_in_data_that_would_not_be_used_is_a_problem():
    found = problems({"sasl_plain_password": SECRET}, {"ssl_cafile": "ca.pem"})

    assert ["sasl_..." in found[0], "ssl_..." in found[1]] == [True, True]


def test_a_join_must_fit_into_a_request():
    [problem] = problems({}, {"rebalance_timeout_ms": 70_000})

    assert "request_timeout_ms must be above rebalance_timeout_ms" in problem


def test_wrong_settings_make_no_connection():
    with pytest.raises(ValueError, match="must not set 'acks'"):
        Connection("x:1", producer={"acks": 0})


def test_tls_without_files_trusts_the_authorities_of_the_system():
    arguments = Connection("x:1", consumer={"security_protocol": "SSL"}).consumer_arguments("g")

    assert isinstance(arguments["ssl_context"], ssl.SSLContext)
    assert arguments["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_a_context_of_the_user_is_taken_as_it_is():
    context = ssl.create_default_context()

    given = Connection("x:1", producer={"security_protocol": "SSL", "ssl_context": context})

    assert given.producer_arguments()["ssl_context"] is context
    assert given.admin_arguments()["ssl_context"] is context


def test_files_that_cannot_be_read_are_named_without_the_password(tmp_path):
    given = {"security_protocol": "SSL", "ssl_certfile": str(tmp_path / "none.pem"), "ssl_password": SECRET}

    with pytest.raises(ValueError, match="ssl_certfile, ssl_password.*FileNotFoundError") as caught:
        Connection("x:1", producer=given).producer_arguments()

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_password_is_in_no_repr():
    connection = Connection("x:1", producer=SASL, consumer=SASL)

    assert SECRET not in f"{connection!r} {connection}"
    assert "sasl_plain_password" in repr(connection)


async def test_the_password_is_in_no_error_and_no_log(mock_cluster, caplog, monkeypatch):
    """The mock knows no SASL: the log-in fails after the password was taken into use."""
    monkeypatch.setattr(logs, "_FILTERS", (logs.RateLimit(), logs.NoLogIn()))
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("aiokafka")]:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])  # earlier tests may have used up what may be said
    connection = Connection(mock_cluster.address, producer=SASL, consumer=SASL)
    errors = []

    with caplog.at_level(logging.INFO):
        for one, start in [
            (producer := KafkaProducer(connection, deadline_s=5, client_id="x"), lambda: producer.start()),
            (
                consumer := KafkaConsumer(connection, "g", ["quotes"], client_id="x"),
                lambda: consumer.start(RecordingOwner()),
            ),
        ]:
            with pytest.raises(BrokerUnavailable) as caught:
                await start()
            errors.append("".join(traceback.format_exception(caught.value)) + repr(vars(one)))

    assert caplog.records
    assert SECRET not in caplog.text + "".join(errors)
