"""A shop that moves: a project in a folder, made of what `startproject` writes and of the files of docs/moving.md."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.docs.test_papers import ROOT
from tests.waiting import until_sync

PAPER = ROOT / "docs" / "moving.md"
WAIT_S = 60


def snippets():
    """Each file of the paper, by the path that its first line names."""
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAPER.read_text(), re.DOTALL))


AROUND = {
    "settings.py": """
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "of a test"
DEBUG = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "events", "shop"]
MIDDLEWARE = []
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3", "OPTIONS": {
    "transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"}}}
KAFKA = os.environ.get("KAFKA", "")
EVENTS = {"GROUP": "shop-" + os.environ["RUN_ID"], "BOOTSTRAP_SERVERS": KAFKA, "REPLICATION": 1, "RUN": ["relay"]}
LOGGING = {"version": 1, "disable_existing_loggers": False, "handlers": {"console": {"class": "logging.StreamHandler"}},
           "loggers": {name: {"handlers": ["console"], "level": "INFO"} for name in ("events", "lifespan")}}
""",
    "urls.py": "urlpatterns = []\n",
    "before/__init__.py": "",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Quote(models.Model):
    title = models.TextField()

class KnownQuote(models.Model):
    title = models.TextField()
""",
    "shop/search.py": """
import json, os, urllib.request

def index_quote(quote_id, title, *, once):
    body = json.dumps({"id": quote_id, "title": title}).encode()
    asked = urllib.request.Request(os.environ["SEARCH"], body, {"Idempotency-Key": once})
    urllib.request.urlopen(asked, timeout=60).close()
""",
}


class Shop:
    """A project in a folder: what is around the paper, and the files of the paper that a test wants."""

    def __init__(self, folder, **environment):
        self.folder, self.run_id = folder, uuid.uuid4().hex[:8]
        path = f"{folder}{os.pathsep}{ROOT}"
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "settings"}
        self.environment |= {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "RUN_ID": self.run_id,
        } | environment

    def make(self):
        """Write what is around the paper, and make the tables."""
        for name, text in AROUND.items():
            self.write(name, text)
        self.python("-m", "django", "makemigrations", "shop")
        self.python("-m", "django", "migrate")

    @property
    def topic(self):
        """The topic of this test: others may be at work on the same Kafka."""
        return f"quotes-{self.run_id}"

    def write(self, name, text):
        """Write a file, with the topic and the group of this test."""
        text = text.replace('"quotes"', f'"{self.topic}"').replace('"likes"', f'"likes-{self.run_id}"')
        text = text.replace('"rehearsal")\ndef', f'"rehearsal-{self.run_id}")\ndef')
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def take(self, *names):
        """Write files of the paper."""
        for name in names:
            self.write(name, snippets()[name])
        return self

    def start(self, *command):
        """Start Python in the project; its words go to a file."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )

    def python(self, *command, code=0):
        """Run Python in the project; return what it said."""
        said = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * WAIT_S,
        )
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout + said.stderr

    def do(self, code):
        """Run code in the project, with Django set up."""
        self.python("-c", f"import django; django.setup()\n{code}")

    def consume(self, records, group):
        """Let ours handle so many records of a group."""
        return self.python(
            "-m", "django", "events_consume", "--group", f"{group}-{self.run_id}", "--max-messages", str(records)
        )

    def titles(self):
        """What the other side knows, in order."""
        return self._column("SELECT title FROM shop_knownquote ORDER BY id")

    def dead_letters(self):
        """The reasons, in order."""
        return self._column("SELECT reason FROM kafka_events_held ORDER BY id")

    def headers(self, count):
        """The names of the headers of so many records in the topic, by title."""
        reader = Consumer({"bootstrap.servers": self.environment["KAFKA"], "group.id": f"reader-{self.run_id}"})
        partitions = reader.list_topics(self.topic, timeout=WAIT_S).topics[self.topic].partitions
        reader.assign([TopicPartition(self.topic, number, OFFSET_BEGINNING) for number in partitions])
        with closing(reader):
            records = reader.consume(count, WAIT_S)
        return {json.loads(one.value())["title"]: set(dict(one.headers() or ())) for one in records}

    def _column(self, query):
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as connection:
            return [value for (value,) in connection.execute(query)]

    def add(self, *titles, by="before.producer"):
        """Add quotes by the old way or by ours."""
        self.do(f"from {by} import add_quote\nfor title in {titles!r}: add_quote(title)")

    def says(self, words, *, times=1):
        """Wait until what was started has said something so often."""
        until_sync(lambda: (self.folder / "log").read_text().count(words) >= times, WAIT_S)

    def knows(self, count):
        """Wait until the other side knows so many."""
        until_sync(lambda: len(self.titles()) == count, WAIT_S)
