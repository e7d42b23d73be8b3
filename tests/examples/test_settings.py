"""Each service alone: its settings load, its addresses answer, and the other service is not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import django, json
django.setup()
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.test import Client
call_command("check")
call_command("migrate", verbosity=0)
print(json.dumps({
    "installed": [app for app in ("quotes", "likes") if app in apps.app_configs],
    "group": settings.EVENTS["GROUP"],
    "cookie": settings.SESSION_COOKIE_NAME,
    "statuses": [Client(headers={"Host": "localhost"}).get(address, follow=True).status_code for address in ADDRESSES],
    "origins": getattr(settings, "CORS_ALLOWED_ORIGINS", None),
}))
"""


def shown(tmp_path, service, addresses, **environment):
    """What a process of this service says of itself."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": f"examples.{service}.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/{service}.sqlite3",
        **environment,
    }
    command = [sys.executable, "-c", f"ADDRESSES = {addresses!r}\n{SHOW}"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize(
    ("service", "addresses"),
    [
        ("quotes", ["/", "/quotes/", "/login/", "/session/", "/admin/login/"]),
        ("likes", ["/", "/quotes/", "/login/", "/session/", "/admin/login/"]),
    ],
)
def test_a_service_runs_alone(tmp_path, service, addresses):
    said = shown(tmp_path, service, addresses)

    assert said["installed"] == [service]
    assert said["group"] == service
    assert said["cookie"] == f"{service}_session"
    assert said["statuses"] == [200] * len(addresses)
    assert said["origins"] is None


def test_alone_likes_stand_at_the_root_and_not_below_its_name(tmp_path):
    assert shown(tmp_path, "likes", ["/likes/quotes/", "/users/"])["statuses"] == [404, 404]


def test_other_origins_may_call_where_they_are_listed(tmp_path):
    said = shown(tmp_path, "likes", ["/quotes/"], CORS_ALLOWED_ORIGINS="http://localhost:8001, https://quotes.example")

    assert said["origins"] == ["http://localhost:8001", "https://quotes.example"]
