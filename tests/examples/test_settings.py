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
    "allowed": Client(headers={"Host": "localhost", "Origin": "http://localhost:8001"}).get("/quotes/").headers.get(
        "Access-Control-Allow-Origin"
    ),
}))
"""


def started(tmp_path, module, code, **environment):
    """A process with these settings that has run this code."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": module,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def shown(tmp_path, module, addresses, **environment):
    """What a process with these settings says of itself."""
    said = started(tmp_path, module, f"ADDRESSES = {addresses!r}\n{SHOW}", **environment)
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
    said = shown(tmp_path, f"examples.{service}.settings", addresses)

    assert said["installed"] == [service]
    assert said["group"] == service
    assert said["cookie"] == f"{service}_session"
    assert said["statuses"] == [200] * len(addresses)
    assert said["origins"] is None


def test_alone_likes_stand_at_the_root_and_not_below_its_name(tmp_path):
    assert shown(tmp_path, "examples.likes.settings", ["/likes/quotes/", "/users/"])["statuses"] == [404, 404]


@pytest.mark.parametrize("module", ["config.settings", "examples.quotes.settings", "examples.likes.settings"])
def test_other_origins_may_call_where_they_are_listed(tmp_path, module):
    said = shown(tmp_path, module, ["/quotes/"], CORS_ALLOWED_ORIGINS="http://localhost:8001, https://quotes.example")

    assert said["origins"] == ["http://localhost:8001", "https://quotes.example"]
    assert said["allowed"] == "http://localhost:8001"


def test_a_list_without_the_package_that_obeys_it_is_refused(tmp_path):
    without = "import importlib.machinery, sys\n" + (
        "class Without(importlib.machinery.PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return None if name == 'corsheaders' else super().find_spec(name, path, target)\n"
        "sys.meta_path[:] = [one for one in sys.meta_path if one is not importlib.machinery.PathFinder] + [Without]\n"
        "import django; django.setup()"
    )

    said = started(tmp_path, "config.settings", without, CORS_ALLOWED_ORIGINS="https://quotes.example")

    assert said.returncode == 1
    assert "pip install django-cors-headers" in said.stderr.splitlines()[-1]
