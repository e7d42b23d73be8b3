"""`events_consume --health-port` in a real process: from the first answer to the exit code."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.events.embedded.user_process import ROOT
from tests.waiting import until_sync

SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).parent
USE_TZ, SECRET_KEY = True, "test"
INSTALLED_APPS = ["events", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
EVENTS = {"GROUP": "shop", "BOOTSTRAP_SERVERS": "ADDRESS", "DRAIN": 12}
LOGGING = {
    "version": 1,
    "handlers": {"said": {"class": "logging.StreamHandler"}},
    "loggers": {"events": {"handlers": ["said"], "level": "INFO"}, "lifespan": {"handlers": ["said"]}},
}
"""

SUBSCRIBERS = """
import time
from django.conf import settings
from events import Event, subscriber

class Sold(Event, topic="sales", key="number"):
    number: int

@subscriber(Sold, atomic=False)
def note(sold):
    (settings.BASE_DIR / "begun").touch()
    while not (settings.BASE_DIR / "go on").exists():
        time.sleep(0.02)
"""

SELL = """
import django
django.setup()
from django.core.management import call_command
from django.db import transaction
from events.publishing import publish
from shop.subscribers import Sold
call_command("migrate", verbosity=0)
with transaction.atomic():
    publish(Sold(number=1))
call_command("events_relay", "--once", verbosity=0)
"""


@pytest.fixture
def shop(tmp_path, mock_cluster):
    """A project in a folder of its own, with one event in Kafka; gives a way to run `events_consume`."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop_settings.py").write_text(SETTINGS.replace("ADDRESS", mock_cluster.address))
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "subscribers.py").write_text(SUBSCRIBERS)
    mock_cluster.create_topic("sales", 1)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "shop_settings",
    }
    subprocess.run([sys.executable, "-c", SELL], env=environment, cwd=tmp_path, check=True, timeout=120)

    @contextlib.contextmanager
    def consume(port):
        command = [sys.executable, "-m", "django", "events_consume", "--health-port", str(port)]
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    return consume


def ask(address, probe):
    try:
        with urllib.request.urlopen(f"{address}{probe}", timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


def test_it_answers_from_the_start_to_the_end_of_the_drain_and_leaves_with_0(shop, tmp_path):
    with shop(0) as process:
        (address,) = until_sync(lambda: re.findall(r"Health: (\S+)", (tmp_path / "said").read_text()), 60)
        until_sync(lambda: ask(address, "ready")[0] == 200, 60)
        until_sync((tmp_path / "begun").exists, 60)
        process.send_signal(signal.SIGTERM)
        until_sync(lambda: ask(address, "ready")[1]["state"] == "draining")
        ready, live = ask(address, "ready"), ask(address, "live")
        (tmp_path / "go on").touch()
        code = process.wait(60)

    assert (ready[0], live[0], code) == (503, 200, 0)
    assert ready[1]["parts"]["group shop.note"]["state"] == "draining"


def test_a_port_that_is_taken_is_one_sentence_and_exit_code_1(shop, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, shop(taken.getsockname()[1]) as process:
        code = process.wait(60)

    said = (tmp_path / "said").read_text()
    assert code == 1
    assert said.count("answering_health: PortTaken: Port") == 1
    assert said.count("cannot be opened for health, choose another") == 1
    assert "Traceback" not in said
