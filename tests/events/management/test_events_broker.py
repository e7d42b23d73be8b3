"""`manage.py events_broker`: in the foreground, its status, its end, and never without DEBUG."""

import os
import signal
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from events.embedded.client import Use, held_open, status
from events.embedded.folder import Folder
from tests.events.embedded.user_process import ROOT, runs
from tests.waiting import until_sync

# The command with DEBUG and a folder of its own, as manage.py would run it.
FOREGROUND = """
import sys
from django.conf import settings
settings.configure(DEBUG=True, INSTALLED_APPS=["events"], EVENTS={"EMBEDDED_FOLDER": sys.argv[1]})
import django
from django.core.management import call_command
django.setup()
call_command("events_broker")
"""


@pytest.fixture
def folder(tmp_path, settings):
    pytest.importorskip("confluent_kafka")
    settings.DEBUG = True
    settings.EVENTS = {"GROUP": "tests", "EMBEDDED_FOLDER": str(tmp_path / "embedded")}
    yield tmp_path / "embedded"
    last = Folder(tmp_path / "embedded").state()
    if last and runs(last.pid):
        os.kill(last.pid, signal.SIGTERM)


@pytest.fixture
def foreground(folder):
    started = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


def run(*options):
    said = StringIO()
    call_command("events_broker", *options, stdout=said)
    return said.getvalue()


@pytest.mark.embedded
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_prints_its_address_and_ends_with_a_signal(folder, foreground, number):
    said = foreground.stdout.readline()
    found = status(folder)
    assert said.startswith(f"Embedded broker at {found.address}: in memory, for development.")

    foreground.send_signal(number)

    assert foreground.stdout.read() == "The embedded broker has ended.\n"
    assert foreground.wait(60) == 0
    until_sync(lambda: not runs(found.pid))


@pytest.mark.embedded
def test_at_ctrl_c_it_leaves_the_broker_to_those_who_still_use_it(folder, foreground):
    foreground.stdout.readline()

    with held_open(folder, Use()):
        foreground.send_signal(signal.SIGINT)

        assert foreground.stdout.read() == f"Still used by process {os.getpid()}.\n"
        assert status(folder).users == [os.getpid()]


@pytest.mark.embedded
def test_the_status_names_address_users_and_topics(folder):
    with held_open(folder, Use(topics={"quotes": 2})) as broker:
        said = run("--status")

    assert f"address: {broker.address}\n" in said
    assert f"used by: process {os.getpid()}\n" in said
    assert "topics: quotes (2 partitions)\n" in said


def test_without_a_broker_the_status_is_an_error(folder):
    with pytest.raises(CommandError, match="No embedded broker runs"):
        run("--status")


@pytest.mark.embedded
def test_stop_ends_it(folder):
    with held_open(folder, Use()):
        assert run("--stop") == f"Still used by process {os.getpid()}.\n"

    assert run("--stop") == "The embedded broker has ended.\n"

    assert status(folder) is None


def test_without_debug_it_is_refused(folder, settings):
    settings.DEBUG = False

    with pytest.raises(CommandError, match="DEBUG = True"):
        run()

    assert not folder.exists()
