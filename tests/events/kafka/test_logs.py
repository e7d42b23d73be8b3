"""The limit on aiokafka's logs."""

import logging

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from events.kafka.logs import NoLogIn, RateLimit, calm_logs


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def say(limit, text="Unable to connect to %s", *arguments, level=logging.ERROR):
    record = logging.LogRecord("aiokafka.client", level, "", 0, text, arguments or ("x",), None)
    return record.getMessage() if limit.filter(record) else None


def test_of_many_alike_one_passes_and_the_next_says_how_many_there_were(clock):
    limit = RateLimit(5.0, clock)

    first = [say(limit, "Unable to connect to %s", node) for node in range(61)]
    clock.now = 5.0
    later = say(limit, "Unable to connect to %s", 7)

    assert first == ["Unable to connect to 0"] + [None] * 60
    assert later == "Unable to connect to 7 [and 60 more like it]"


def test_other_texts_and_levels_are_counted_for_themselves(clock):
    limit = RateLimit(5.0, clock)

    said = [say(limit, "one %s"), say(limit, "two %s"), say(limit, "one %s", level=logging.WARNING)]

    assert said == ["one x", "two x", "one x"]


def test_what_is_no_warning_always_passes(clock):
    limit = RateLimit(5.0, clock)

    assert [bool(say(limit, level=logging.INFO)) for _ in range(3)] == [True] * 3


def test_many_kinds_do_not_fill_the_memory(clock):
    limit = RateLimit(5.0, clock)

    for number in range(2000):
        say(limit, f"text {number} %s")

    assert len(limit._kinds) <= 500


def test_of_a_request_that_logs_in_only_the_name_is_told():
    request = SaslAuthenticateRequest(b"\0user\0hunter2").prepare({36: (0, 1)})
    record = logging.LogRecord("aiokafka.conn", logging.DEBUG, "", 0, "Request %d: %s", (3, request), None)

    NoLogIn().filter(record)

    assert record.getMessage() == "Request 3: SaslAuthenticateRequest_v1"


def test_the_filters_are_put_on_every_logger_of_the_client_once():
    calm_logs()
    calm_logs()

    filters = logging.getLogger("aiokafka.consumer.fetcher").filters
    assert [type(one) for one in filters] == [RateLimit, NoLogIn]
