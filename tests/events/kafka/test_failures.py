"""What aiokafka's errors are called in our log lines."""

import ssl

from aiokafka import errors
from aiokafka.conn import AIOKafkaConnection

from events.kafka.failures import described


def test_who_does_not_answer_is_named_without_the_sockets():
    error = errors.KafkaConnectionError(
        "Unable to bootstrap from [('kafka-1', 9092, <AddressFamily.AF_UNSPEC: 0>), ('10.0.0.2', 9093, 2)]"
    )

    told = described(error)

    assert told == "KafkaConnectionError: Unable to bootstrap from kafka-1:9092, 10.0.0.2:9093"


def test_an_error_without_text_is_told_by_its_name():
    assert described(OSError()) == "OSError"


def test_a_refused_commit_says_what_becomes_of_the_records_and_gives_no_wrong_advice():
    said = described(errors.CommitFailedError())

    assert said == (
        "CommitFailedError: the group has rebalanced; the records are handled again, by whoever owns them now"
    )


async def test_a_connection_in_the_place_of_a_text_is_left_out():
    said = described(errors.UnsupportedSaslMechanismError(AIOKafkaConnection("kafka-1", 9092)))

    assert said == (
        "UnsupportedSaslMechanismError: The broker does not support the requested SASL mechanism. "
        "(set sasl_mechanism to one that the brokers offer)"
    )


def test_an_error_of_tls_is_told_without_the_place_in_python_and_with_what_to_check():
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] verify failed: Hostname (_ssl.c:1020)")

    assert described(error) == (
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] verify failed: Hostname "
        "(ssl_cafile must hold the authority that signed the brokers' certificates, and these must name the host)"
    )
