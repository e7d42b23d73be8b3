"""What is known of a record lives as long as the record."""

from events.core.attempts import Attempts
from events.core.broker import Record


def test_attempts_are_counted_for_each_subscriber():
    attempts, record = Attempts(), Record("t", 0, 0, None, b"")

    counted = [attempts.failed(record, name) for name in ("one", "one", "two")]

    assert counted == [1, 2, 1]
    assert attempts.count(record, "one") == 2
    assert not attempts.has_failed(record, "three")


def test_a_subscriber_is_through_for_that_record_alone():
    attempts = Attempts()
    first, again = Record("t", 0, 0, None, b""), Record("t", 0, 0, None, b"")

    attempts.finish(first, "one")

    assert attempts.is_through(first, "one")
    assert not attempts.is_through(first, "two")
    assert not attempts.is_through(again, "one")


def test_nothing_is_kept_of_a_record_that_the_engine_has_let_go():
    attempts, record = Attempts(), Record("t", 0, 0, None, b"")
    attempts.failed(record, "one")
    attempts.finish(record, "two")

    del record

    assert len(attempts) == 0
