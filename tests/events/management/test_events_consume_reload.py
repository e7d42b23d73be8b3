"""`events_consume --reload` in a real process, on the embedded broker: what a change of the code does."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from events.embedded.client import status, stop
from tests.events.embedded.user_process import ROOT
from tests.waiting import until_sync

pytestmark = pytest.mark.embedded

SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).parent
DEBUG, USE_TZ, SECRET_KEY = True, True, "test"
INSTALLED_APPS = ["events", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
EVENTS = {"GROUP": "shop", "PARTITIONS": 1, "RETRY_DELAY": 0.01}
"""

SUBSCRIBERS = """
import os
from django.conf import settings
from events import Event, subscriber

class Sold(Event, topic="sales", key="number"):
    number: int

@subscriber(Sold)
def note(sold):
    with open(settings.BASE_DIR / "seen", "a") as seen:
        print(os.getpid(), sold.number, file=seen)
"""

SELL = """
import sys
import django
django.setup()
from django.core.management import call_command
from django.db import transaction
from events.publishing import publish
from shop.subscribers import Sold
call_command("migrate", verbosity=0)
with transaction.atomic():
    publish(Sold(number=int(sys.argv[1])))
call_command("events_relay", "--once", verbosity=0)
"""


class Shop:
    """A project in a folder of its own, with `events_consume --reload` in it."""

    def __init__(self, path):
        self.path, self.code = path, path / "shop" / "subscribers.py"
        self.code.parent.mkdir()
        (path / "shop_settings.py").write_text(SETTINGS)
        (path / "shop" / "__init__.py").write_text("")
        self.code.write_text(SUBSCRIBERS)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "shop_settings",
        }

    def consume(self):
        """Start it. What it says is in the file `said`."""
        command = [sys.executable, "-m", "django", "events_consume", "--reload"]
        with (self.path / "said").open("w") as said:
            return subprocess.Popen(
                command, env=self.environment, cwd=self.path, stdout=said, stderr=said, start_new_session=True
            )

    def change(self):
        """Change the code, and once more if Django's reloader had not looked at it before."""
        self.code.touch()
        return "subscribers.py changed, reloading" in (self.path / "said").read_text()

    def sell(self, number):
        """Publish an event and have it sent."""
        subprocess.run([sys.executable, "-c", SELL, str(number)], env=self.environment, check=True, timeout=120)

    def seen(self):
        """Which process handled which event."""
        path = self.path / "seen"
        return [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []

    def users(self):
        """The processes that hold the broker."""
        found = status(self.path / ".run" / "embedded")
        return found.users if found else []


@pytest.fixture
def shop(tmp_path):
    pytest.importorskip("confluent_kafka")
    yield Shop(tmp_path)
    until_sync(lambda: stop(tmp_path / ".run" / "embedded") is None)


@contextlib.contextmanager
def consuming(shop):
    process = shop.consume()
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_after_a_change_it_stops_cleanly_and_consumes_again(shop):
    shop.sell(1)
    with consuming(shop):
        ((first, _),) = until_sync(shop.seen, 60)

        until_sync(shop.change)
        until_sync(lambda: shop.users() not in ([], [first]), 60)
        shop.sell(2)
        until_sync(lambda: len(shop.seen()) == 2, 60)

    assert [number for _, number in shop.seen()] == [1, 2]
    assert shop.seen()[1][0] != first
    assert "Traceback" not in (shop.path / "said").read_text()
