"""What is logged about a record: its facts, never its value."""

import logging

from events import Reject
from tests.effects import Happened, a


async def test_a_line_about_a_record_carries_its_facts_and_not_its_value(shop, threads, caplog):
    caplog.set_level(logging.DEBUG, "events.handling")

    @shop.subscriber(Happened)
    def note(event):
        if event.number:
            raise Reject("no")

    good, bad = shop.record(a("secret-thing")), shop.record(a("secret-thing", 1), key=b"k")
    await shop.handling(threads).handle([good, bad])

    handled, buried = (line for line in caplog.records if line.name == "events.handling")
    expected = {"event_type": "Happened", "key": "k", "topic": "effects", "partition": 0, "subscriber": "note"}
    assert {name: getattr(buried, name) for name in expected} == expected
    assert (buried.offset, buried.levelname, handled.levelname) == (bad.offset, "ERROR", "DEBUG")
    assert buried.event_id == bad.header("ce_id").decode()
    assert "secret" not in handled.getMessage() + buried.getMessage()
