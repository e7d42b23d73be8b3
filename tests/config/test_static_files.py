"""Static files as a deployment serves them: collected, compressed, cached; and before that."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.management import call_command
from django.test import override_settings

from config.static_files import CollectedStorage, with_static_files

COLLECTED = {"staticfiles": {"BACKEND": "config.static_files.CollectedStorage"}}
STYLE = "admin/css/base.css"


async def nothing_static(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def production(tmp_path):
    with override_settings(DEBUG=False, STATIC_ROOT=tmp_path, STORAGES=COLLECTED):
        yield tmp_path


@pytest.fixture
def collected(production):
    call_command("collectstatic", interactive=False, verbosity=0)
    return production


def visitor():
    transport = httpx.ASGITransport(with_static_files(nothing_static))
    return httpx.AsyncClient(transport=transport, base_url="http://site")


async def test_a_collected_file_is_compressed_and_may_be_cached_for_ever(collected):
    address = CollectedStorage().url(STYLE)
    async with visitor() as site:
        answer = await site.get(address, headers={"Accept-Encoding": "gzip"})
        plain = await site.get(address, headers={"Accept-Encoding": "identity"})
        again = await site.get(address, headers={"If-None-Match": answer.headers["etag"]})

    assert re.fullmatch(r"/static/admin/css/base\.[0-9a-f]{12}\.css", address)
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text == plain.text
    assert int(answer.headers["content-length"]) < len(plain.content) / 2
    assert again.status_code == 304


async def test_what_is_no_static_file_goes_to_the_application(collected):
    async with visitor() as site:
        other, missing = await site.get("/quotes/"), await site.get("/static/../../etc/passwd")
        nowhere = await site.get("/static/nowhere.css")

    assert [one.status_code for one in (other, missing, nowhere)] == [299] * 3


async def test_before_collectstatic_files_come_from_the_apps_and_the_log_says_what_to_run(production, caplog):
    async with visitor() as site:
        answer = await site.get(CollectedStorage().url(STYLE))

    assert answer.status_code == 200
    assert [line.getMessage() for line in caplog.records if line.name == "config"] == [
        "Static files are served from the apps, slowly: run manage.py collectstatic once in each build."
    ]


@override_settings(DEBUG=True)
async def test_in_development_nothing_has_to_be_collected(caplog):
    async with visitor() as site:
        answer = await site.get(StaticFilesStorage().url(STYLE))

    assert answer.status_code == 200
    assert [line for line in caplog.records if line.name == "config"] == []


@override_settings(STATIC_URL="https://cdn.example/static/")
async def test_files_on_another_host_are_not_served_here():
    assert with_static_files(nothing_static) is nothing_static


def test_the_whole_project_collects_and_names_its_own_style(tmp_path):
    environment = os.environ | {
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": "k" * 50,
        "DJANGO_STATIC_ROOT": str(tmp_path),
        "EVENTS_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    root = Path(__file__).resolve().parents[2]
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    done = subprocess.run(collect, cwd=root, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("admin/css/base.*.css.gz"))
