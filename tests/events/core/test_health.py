"""What follows from the states of the parts, for each probe."""

from datetime import UTC, datetime

import pytest

from events.core.health import RED, Part, Patience, Process, body

RUNS, WAITS = Part("relay", "running", 10.0), Part("group shop", "waiting", 40.0, "nobody answers", {"restarts": 3})


def process(*parts, **changes):
    return Process(parts=parts, **changes)


@pytest.mark.parametrize(
    ("one", "state", "why"),
    [
        (Process(missing="no run"), "not started", ["no run"]),
        (process(opening=True), "starting", ["the resources of this process are being opened"]),
        (process(Part("relay", "starting", 0.0)), "starting", ["relay is starting"]),
        (process(), "running", []),
        (process(RUNS, Part("group shop", "standby", 0.0), Part("send", "stopped", 0.0)), "running", []),
        (process(RUNS, WAITS), "degraded", ["group shop is waiting: nobody answers"]),
        (process(RUNS, WAITS, draining=True), "draining", []),
        (process(RUNS, draining=True, problems=["relay: broke"]), "failed", ["relay: broke"]),
        (process(Part("relay", "failed", 0.0, "wrong password")), "failed", ["relay is failed: wrong password"]),
    ],
)
def test_the_process_is_in_one_state_and_says_why(one, state, why):
    assert (one.state, one.why) == (state, why)


@pytest.mark.parametrize(
    ("one", "live", "ready", "whole"),
    [
        (Process(missing="no run"), True, False, False),
        (process(opening=True), True, False, False),
        (process(RUNS), True, True, True),
        (process(RUNS, WAITS), True, False, False),
        (process(RUNS, WAITS, serves=True), True, True, False),
        (process(Part("relay", "starting", 0.0), serves=True), True, True, False),
        (process(Part("relay", "standby", 0.0)), True, True, True),
        (process(RUNS, draining=True), True, False, False),
        (process(RUNS, serves=True, draining=True), True, False, False),
        (process(RUNS, serves=True, draining=True, problems=["broke"]), False, False, False),
        (process(Part("relay", "failed", 0.0)), False, False, False),
    ],
)
def test_each_probe_has_its_answer(one, live, ready, whole):
    assert (one.live, one.ready, one.whole) == (live, ready, whole)


def test_the_body_tells_the_moment_and_the_time_since_each_part_is_in_its_state():
    told = body(process(RUNS, WAITS), now=100.04, at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert told == {
        "state": "degraded",
        "why": ["group shop is waiting: nobody answers"],
        "parts": {
            "relay": {"state": "running", "since": "2026-01-02T03:02:34+00:00", "for_s": 90.0, "why": ""},
            "group shop": {
                "state": "waiting",
                "since": "2026-01-02T03:03:04+00:00",
                "for_s": 60.0,
                "why": "nobody answers",
                "restarts": 3,
            },
        },
    }


def test_what_began_after_the_clock_was_read_began_now():
    told = body(process(RUNS), now=9.0, at=datetime(2026, 1, 1, tzinfo=UTC))

    assert told["parts"]["relay"]["for_s"] == 0.0


@pytest.mark.parametrize("state", sorted(RED))
def test_patience_ends_when_a_part_was_red_for_too_long_without_a_break(state):
    patience, red = Patience(60.0), Part("relay", state, 0.0, "nobody answers")

    seen = [patience.look([red], now) for now in (0.0, 30.0, 59.9)]
    given_up = patience.look([red], 60.0)

    assert seen == [None] * 3
    assert str(given_up) == f'relay is {state}: nobody answers; given up after 60 s (EVENTS["GIVE_UP"]).'


def test_a_break_makes_patience_whole_again():
    patience = Patience(60.0)

    seen = [patience.look([part], now) for part, now in ((WAITS, 0.0), (RUNS, 30.0), (WAITS, 31.0), (WAITS, 90.0))]

    assert seen == [None] * 4
    assert patience.look([RUNS, WAITS], 91.0) is not None
