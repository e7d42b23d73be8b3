"""docs/guide.md is true: the resource of one's own and its tests, put where their first lines say, run."""

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.docs.test_papers import ROOT
from tests.waiting import until_sync

WAIT_S = 60
AROUND = {
    "settings.py": """
import os
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
ROOT_URLCONF = "urls"
RATES_URL = os.environ["RATES"]
""",
    "urls.py": """
from django.urls import path
from shop import views
urlpatterns = [path("rates/<currency>", views.rate), path("fresh/<currency>", views.fresh_rate)]
""",
    "shop/__init__.py": "",
    "pytest.ini": "[pytest]\nasyncio_mode = auto\npython_files = test_*.py\n",
}


@pytest.fixture
def euros():
    """What the other side answers, None for 500; with its address."""
    told = {"USD": 1.25}

    class Rates(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if told else 500)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Rates) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


@pytest.fixture
def project(tmp_path):
    """A folder with what is around the guide, and the files of the guide."""
    files = snippets("A resource of your own") | snippets("Test your code")
    assert sorted(files) == ["asgi.py", "shop/rates.py", "shop/views.py", "test_rates.py"]
    (tmp_path / "shop").mkdir()
    for name, code in (AROUND | files).items():
        (tmp_path / name).write_text(code)
    return tmp_path


def snippets(part):
    """Each file of a part of the guide, by the path that its first line names."""
    text = (ROOT / "docs" / "guide.md").read_text().split(f"\n## {part}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL))


def start(project, address, *command):
    """Start Python in the project; its words go to a file."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{project}{os.pathsep}{ROOT}", "RATES": address}
    environment |= {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    with (project / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, *command], cwd=project, env=environment, stdout=log, stderr=log)


@contextmanager
def served(project, address):
    """The project under a server: its process, and where it answers."""
    server = start(project, address, "-m", "uvicorn", "asgi:application", "--port", "0")
    try:
        until_sync(lambda: server.poll() is not None or "running on http" in said(project), WAIT_S)
        yield server, re.search(r"running on (http://\S+)", said(project))[1]
    finally:
        server.kill()
        server.wait()


def said(project):
    return (project / "log").read_text()


def test_the_tests_that_the_guide_shows_pass(project, euros):
    tests = start(project, euros[0], "-m", "pytest", "-q", "-p", "no:cacheprovider")

    assert tests.wait(WAIT_S) == 0, said(project)
    assert "2 passed" in said(project)


def test_a_sync_view_and_an_async_one_use_the_resource(project, euros):
    with served(project, euros[0]) as (_, address):
        euros[1]["USD"] = 1.5

        answers = [httpx.get(f"{address}/{path}/USD", timeout=WAIT_S).json() for path in ("fresh", "rates")]

    assert answers == [{"USD": 1.5}, {"USD": 1.5}]


def test_a_stop_does_not_wait_for_the_next_minute(project, euros):
    with served(project, euros[0]) as (server, _):
        server.terminate()

        assert server.wait(WAIT_S) in (0, -15)  # uvicorn ends by the signal that it got

    assert "Application shutdown complete" in said(project)


def test_a_resource_that_fails_ends_the_process_with_exit_code_1(project, euros):
    rates = project / "shop" / "rates.py"
    rates.write_text(rates.read_text().replace("EVERY_S = 60", "EVERY_S = 0.05"))

    with served(project, euros[0]) as (server, _):
        euros[1].clear()

        assert server.wait(WAIT_S) == 1

    assert "failed, the process stops: HTTPStatusError" in said(project)


def test_a_resource_that_does_not_open_lets_nothing_start(project, euros):
    euros[1].clear()

    server = start(project, euros[0], "-m", "uvicorn", "asgi:application", "--port", "0")

    assert server.wait(WAIT_S) == 3
    assert "not started: rates: HTTPStatusError" in said(project)
