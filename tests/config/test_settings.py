"""The settings of the project as processes see them, each with an environment of its own."""

import json
import os
import subprocess
import sys

import pytest

SHOW = """
import json
from config import settings as s
print(json.dumps([s.DEBUG, s.SECRET_KEY, s.ALLOWED_HOSTS, s.EVENTS, s.SESSION_COOKIE_SECURE, s.DATABASES["default"]],
                 default=str))
"""


def started(code, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, timeout=60
    )


def shown(**environment):
    process = started(SHOW, **environment)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_a_checkout_runs_in_development_without_any_variable():
    debug, _, hosts, events, secure, database = shown()

    assert (debug, hosts, secure) == (True, [], False)
    assert events == {"GROUP": "project", "REPLICATION": 1}
    assert database["ENGINE"] == "django.db.backends.sqlite3"


def test_production_takes_everything_from_the_environment():
    debug, key, hosts, events, secure, database = shown(
        DJANGO_DEBUG="0",
        DJANGO_SECRET_KEY="k" * 50,
        DJANGO_ALLOWED_HOSTS="a.example, b.example",
        DJANGO_HTTPS="1",
        DATABASE_URL="postgres://shop@db/quotes",
        EVENTS_BOOTSTRAP_SERVERS="kafka:9092",
        EVENTS_RUN="relay,consume",
    )

    assert (debug, key, hosts, secure) == (False, "k" * 50, ["a.example", "b.example"], True)
    assert events == {"GROUP": "project", "BOOTSTRAP_SERVERS": "kafka:9092", "RUN": ["relay", "consume"]}
    assert (database["HOST"], database["NAME"]) == ("db", "quotes")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DJANGO_DEBUG": "0"}, "DJANGO_DEBUG=0 needs DJANGO_SECRET_KEY"),
        ({"DJANGO_DEBUG": "maybe"}, "DJANGO_DEBUG must be 1 or 0, not 'maybe'."),
        ({"DJANGO_REQUEST_THREADS": "0"}, "DJANGO_REQUEST_THREADS must be a whole number above 0, not '0'."),
        ({"EVENTS_BOOTSTRAP_SERVER": "kafka:9092"}, "BOOTSTRAP_SERVERS"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(environment, says):
    process = started(SHOW, **environment)

    assert process.returncode != 0
    assert says in process.stderr.splitlines()[-1]


@pytest.mark.parametrize("debug", ["1", "0"])
def test_static_files_are_served_with_and_without_debug(debug, tmp_path):
    ask = """
import asyncio
from config.asgi import django
from django.test import AsyncRequestFactory
said = []
to_come = [{"type": "http.request", "body": b"", "more_body": False}]
async def receive():
    return to_come.pop() if to_come else await asyncio.Event().wait()
async def send(message):
    said.append(message)
scope = AsyncRequestFactory().get("/static/admin/css/base.css", headers={"host": "localhost"}).scope
asyncio.run(django({**scope, "type": "http", "root_path": ""}, receive, send))
print(said[0]["status"])
"""
    process = started(
        ask,
        DJANGO_DEBUG=debug,
        DJANGO_SECRET_KEY="k" * 50,
        DJANGO_ALLOWED_HOSTS="localhost",
        DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3",
    )

    assert process.stdout.strip() == "200", process.stderr


def test_a_refused_request_is_left_to_the_servers_line_and_a_failed_one_is_logged():
    process = started(
        "import django, logging; django.setup();"
        "log = logging.getLogger('django.request'); log.warning('Conflict: /'); log.error('Internal Server Error: /')",
        DJANGO_SETTINGS_MODULE="config.settings",
    )

    assert process.stderr.split("\n") == ["ERROR    Internal Server Error: /", ""]
