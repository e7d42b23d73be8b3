"""What aiokafka's errors are called in our log lines."""

from aiokafka import errors

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
