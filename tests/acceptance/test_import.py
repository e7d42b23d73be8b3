"""Imports of thousands: both sides end up with the same quotes, also when processes are killed on the way."""

import os
from pathlib import Path

import pytest

from tests.waiting import until_sync

LONG = os.environ.get("ACCEPTANCE") == "long"
FORTUNES = Path("/usr/share/games/fortunes")
MANY = 2_000


@pytest.fixture
def quotes_file(tmp_path):
    """A file in the fortune format: Debian's own in the long form, else two thousand made here."""
    if LONG:
        return FORTUNES if FORTUNES.is_dir() else pytest.skip("needs Debian's packages fortunes and fortunes-min")
    path = tmp_path / "many"
    path.write_text("\n%\n".join(f"Quote number {number}.\n\t\t-- Nobody" for number in range(MANY)))
    return path


def test_an_import_arrives_whole_and_a_second_one_adds_nothing(services, quotes_file):
    services.quotes.manage("import_quotes", str(quotes_file))
    total = services.settled()

    again = services.quotes.manage("import_quotes", str(quotes_file))

    assert total >= (10_000 if quotes_file == FORTUNES else MANY)
    assert services.settled() == total, again.stdout


def test_processes_killed_during_an_import_lose_and_repeat_nothing(two_processes, quotes_file):
    for project in two_processes.projects:
        project.start()
    running = two_processes.quotes.manage_in_background("import_quotes", str(quotes_file))
    try:
        until_sync(lambda: two_processes.likes.count("likes.KnownQuote") > 50, 300)
        for project in two_processes.projects:
            project.kill()
    finally:
        running.kill()
        running.wait(60)
    for project in two_processes.projects:
        project.start()
    two_processes.quotes.manage("import_quotes", str(quotes_file))

    total = two_processes.settled()
    assert total >= (10_000 if quotes_file == FORTUNES else MANY)
    assert two_processes.entries() == total  # a plain insert for each call: one call too many would show
    assert two_processes.likes.count("kafka_events.HeldRecord") == 0


def test_a_killed_process_on_the_embedded_broker_keeps_what_was_not_sent(together, quotes_file):
    together.quotes.start()
    together.wait_for_copy(together.create("Know thyself.").body["id"])
    together.quotes.kill()

    together.quotes.manage("import_quotes", str(quotes_file))
    waiting = together.quotes.count("kafka_events.OutboxRecord")
    together.quotes.start()

    assert waiting >= (10_000 if quotes_file == FORTUNES else MANY)
    together.settled()
