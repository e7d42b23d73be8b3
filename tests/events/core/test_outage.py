"""An outage is two lines in the log."""

import logging

from events.core.outage import OutageLog

log = logging.getLogger("tests.outage")


def test_an_outage_is_said_once_when_it_begins_and_once_when_it_ends(caplog):
    caplog.set_level(logging.WARNING)
    times = iter([10.0, 42.5])
    outage = OutageLog(log, "The relay", lambda: next(times))

    for why in ("refused\n  by all", "refused", "timed out"):
        outage.goes_on(why)
    latest = outage.why
    outage.ends()
    outage.ends()

    assert latest == "timed out"
    assert outage.why == ""
    assert [one.getMessage() for one in caplog.records] == [
        "The relay waits, and goes on by itself: refused by all",
        "The relay goes on after 32.5 s.",
    ]


def test_the_next_outage_is_said_again(caplog):
    caplog.set_level(logging.WARNING)
    outage = OutageLog(log, "The relay")

    for _ in range(2):
        outage.goes_on("away")
        outage.ends()

    assert len(caplog.records) == 4
