"""What an engine says of itself."""

import pytest

from events.core.broker import Partition
from events.core.facts import Facts

ZERO, ONE = Partition("quotes", 0), Partition("quotes", 1)


@pytest.fixture
def clock():
    return iter(range(100)).__next__


@pytest.fixture
def facts(clock):
    return Facts("likes", clock)


def test_a_state_has_a_beginning(facts):
    facts.become("starting")
    facts.become("running")

    assert (facts.state, facts.since) == ("running", 1)


def test_progress_is_the_time_of_the_last_closed_record(facts):
    facts.closed(3)
    facts.closed(2)
    facts.closed(0)

    assert (facts.handled, facts.progress) == (5, 1)


def test_an_outage_of_many_partitions_is_two_log_lines(facts, caplog):
    facts.away(ZERO, "no database")
    facts.away(ONE, "no database")
    facts.away(ZERO, "no database")
    facts.back(ZERO)
    facts.back(ONE)
    facts.back(ONE)

    assert [record.message for record in caplog.records] == [
        "likes waits, and goes on by itself: no database",
        "likes goes on after 1.0 s.",
    ]


def test_an_outage_outlasts_the_loss_of_its_partition(facts, caplog):
    facts.away(ZERO, "no database")
    facts.forget(ZERO)
    facts.away(ONE, "no database")

    assert facts.outages == {ONE: "no database"}
    assert len(caplog.records) == 1


def test_whose_waiting_partitions_went_to_somebody_else_waits_for_nothing(facts):
    facts.away(ZERO, "no database")
    waiting = facts.part("group likes").state
    facts.forget(ZERO)

    assert (waiting, facts.part("group likes").state) == ("waiting", "running")


def test_while_kafka_is_away_it_waits_and_says_so_once(facts, caplog):
    facts.reach("nobody answers")
    facts.reach("nobody answers")
    away = facts.part("group likes", partitions=2)
    facts.reach("")
    facts.reach("")

    assert (away.state, away.why, away.since) == ("waiting", "nobody answers", 0)
    assert away.facts == {"partitions": 2, "handled": 0}
    assert (facts.part("group likes").state, facts.part("group likes").since) == ("running", 1)
    assert len(caplog.records) == 2


def test_while_the_database_is_away_it_waits_and_keeps_what_that_said_to_the_log(facts):
    facts.away(ZERO, "user=shop")

    assert facts.part("group likes").state == "waiting"
    assert "user=shop" not in facts.part("group likes").why


def test_a_loss_is_counted_and_logged(facts, caplog):
    facts.lose("silent for too long")

    assert facts.lost == 1
    assert "silent for too long" in caplog.text
