"""The middleware in real server processes, at least once each: start, stop with a stream open, failures, hurry."""

import http.client
import os
import re
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.waiting import until_sync
from tools.house import ROOT
from tools.server import free_port

pytestmark = pytest.mark.acceptance

APPLICATION = """
import asyncio, os
from contextlib import asynccontextmanager
import lifespan

async def stream(scope, receive, send):
    assert scope["type"] == "http"
    try:
        run = lifespan.current()
    except lifespan.NotStarted as error:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        return await send({"type": "http.response.body", "body": str(error).encode()})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\\n\\n", "more_body": True})
    if scope["path"] == "/fail":
        run.fail(RuntimeError("lost the broker"))
    try:
        await (run.draining.wait() if scope["path"] != "/for-ever" else asyncio.Event().wait())
    finally:
        await asyncio.sleep(1 if scope["path"] == "/for-ever" else 0)
        print("sent while", run.stage, flush=True)
    await send({"type": "http.response.body", "body": b"data: bye\\n\\n"})

@asynccontextmanager
async def producing(run):
    if "BROKEN" in os.environ:
        raise OSError("no broker")
    print("opening", flush=True)
    while not os.path.exists(os.environ.get("GATE", "/")):
        await asyncio.sleep(0.01)
        print("not yet", flush=True)
    print(f"process {os.getpid()}", flush=True)
    try:
        yield
    finally:
        print("closing", flush=True)
        await asyncio.sleep(float(os.environ.get("SLOW_CLOSE", "0")))
        print("flushed", flush=True)

application = lifespan.Lifespan(stream, producing)
"""
SETTINGS = """
SECRET_KEY, DEBUG, ROOT_URLCONF, ASGI_APPLICATION = "x", True, "settings", "application.application"
INSTALLED_APPS, ALLOWED_HOSTS, USE_TZ = ["daphne"], ["*"], True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
urlpatterns = []
"""
RUNSERVER = ["django", "runserver", "{port}", "--settings", "settings"]
SERVERS = {
    "uvicorn": ["uvicorn", "application:application", "--port", "{port}"],
    "uvicorn, off": ["uvicorn", "application:application", "--port", "{port}", "--lifespan", "off"],
    "hypercorn -w 0": ["hypercorn", "application:application", "--bind", "127.0.0.1:{port}", "-w", "0"],
    "hypercorn -w 1": ["hypercorn", "application:application", "--bind", "127.0.0.1:{port}", "-w", "1"],
    "hypercorn -w 2": ["hypercorn", "application:application", "--bind", "127.0.0.1:{port}", "-w", "2"],
    "daphne": ["daphne", "application:application", "-p", "{port}"],
    "runserver": RUNSERVER,
    "runserver, no reload": [*RUNSERVER, "--noreload"],
}


class Served:
    """A server process; what it prints goes to a file."""

    def __init__(self, folder, server, **environment):
        (folder / "application.py").write_text(APPLICATION)
        (folder / "settings.py").write_text(SETTINGS)
        self.log, self.port = folder / "log", free_port()
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", **environment}
        command = [word.format(port=self.port) for word in SERVERS[server]]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=log, env=environment, cwd=folder
            )

    def said(self):
        return self.log.read_text()

    def printed(self, pattern):
        return until_sync(lambda: re.search(pattern, self.said()), 60)

    def open(self, path="/"):
        """Ask for a stream, as soon as somebody listens."""
        return until_sync(lambda: self._answer(path), 60)

    def _answer(self, path):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60)
        except urllib.error.HTTPError as refused:
            return refused
        except urllib.error.URLError:
            return None

    def stop(self, signum):
        self.process.send_signal(signum)
        return self.process.wait(60)


@pytest.fixture
def serve(tmp_path):
    """Start a server; it is killed at the end of the test if it is still there."""
    started = []

    def start(server, **environment):
        started.append(Served(tmp_path, server, **environment))
        return started[-1]

    yield start
    for served in started:
        served.process.kill()
        served.process.wait()


HELLO, BYE = b"data: hello\n\n", b"data: bye\n\n"


def test_uvicorn_stops_cleanly_with_a_stream_open(serve):
    served = serve("uvicorn")
    response = served.open()
    assert response.readline() == b"data: hello\n"

    served.process.send_signal(signal.SIGTERM)

    assert response.read() == b"\n" + BYE
    assert served.process.wait(60) == -signal.SIGTERM  # uvicorn's own way to end
    assert "flushed" in served.said()


@pytest.mark.parametrize(("server", "code"), [("uvicorn", 1), ("hypercorn -w 0", 1), ("hypercorn -w 1", 0)])
def test_a_failed_run_is_drained_and_the_exit_code_says_so(serve, server, code):
    served = serve(server)
    response = served.open("/fail")

    assert response.read() == HELLO + BYE
    assert served.process.wait(60) == code  # hypercorn's parent does not look at its workers'
    assert "flushed" in served.said()


@pytest.mark.parametrize(("server", "code"), [("uvicorn", 3), ("hypercorn -w 0", 1), ("daphne", 3)])
def test_nobody_serves_after_a_failed_start(serve, server, code):
    served = serve(server, BROKEN="yes")

    assert served.process.wait(60) == code
    assert "not started: producing: OSError: no broker" in served.said()


def test_hypercorns_worker_survives_the_sigterm_of_its_whole_group(serve):
    served = serve("hypercorn -w 1")
    response = served.open()
    worker = int(served.printed(r"process (\d+)")[1])
    assert worker != served.process.pid

    os.kill(worker, signal.SIGTERM)
    served.process.send_signal(signal.SIGTERM)

    assert response.read() == HELLO + BYE
    assert served.process.wait(60) == 0
    assert "flushed" in served.said()


def test_hypercorns_two_workers_both_close(serve):
    served = serve("hypercorn -w 2")
    response = served.open()
    until_sync(lambda: served.said().count("process") == 2, 60)

    assert served.stop(signal.SIGTERM) == 0

    assert response.read() == HELLO + BYE
    assert served.said().count("flushed") == 2


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("server", ["daphne", "runserver, no reload"])
def test_daphne_starts_and_stops_without_any_request(serve, server, signum):
    served = serve(server)
    served.printed(r"process \d+")

    assert served.stop(signum) == 0

    assert served.said().count("flushed") == 1


def test_daphne_lets_the_first_request_wait_for_the_start(serve, tmp_path):
    served = serve("daphne", GATE=str(tmp_path / "gate"))
    served.printed("opening")
    asking = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    asking.request("GET", "/")
    turns = served.said().count("not yet")
    until_sync(lambda: served.said().count("not yet") > turns + 20, 60)
    assert select.select([asking.sock], [], [], 0)[0] == []

    (tmp_path / "gate").touch()
    response = asking.getresponse()

    assert (response.status, response.readline()) == (200, b"data: hello\n")
    asking.close()


def test_daphne_leaves_with_1_after_a_failed_run(serve):
    served = serve("daphne")
    response = served.open("/fail")

    assert response.readline() == b"data: hello\n"
    assert served.process.wait(60) == 1
    assert "flushed" in served.said()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_daphne_cancels_requests_and_they_may_still_send(serve, signum):
    served = serve("daphne")
    response = served.open("/for-ever")

    assert served.stop(signum) == 0

    assert re.findall("sent while .*|closing", served.said()) == ["sent while up", "closing"]
    response.close()


def test_daphne_cancels_a_start_that_is_asked_to_stop(serve):
    served = serve("daphne", GATE="never")
    served.printed("opening")

    assert served.stop(signal.SIGTERM) == 0

    assert "process" not in served.said()


def test_runserver_closes_when_its_main_thread_ends(serve):
    served = serve("runserver")
    worker = int(served.printed(r"process (\d+)")[1])
    assert worker != served.process.pid

    os.kill(worker, signal.SIGTERM)

    assert served.process.wait(60) == 0
    assert "flushed" in served.said()


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn -w 0", "daphne"])
def test_a_second_ctrl_c_cuts_the_closing_short(serve, server):
    served = serve(server, SLOW_CLOSE="1000")
    served.printed(r"process \d+")
    served.open("/none").close()
    served.process.send_signal(signal.SIGINT)
    served.printed("closing")

    until_sync(lambda: "asked to stop again" in served.said() or served.process.send_signal(signal.SIGINT), 60)

    assert served.process.wait(60) == 1
    assert "producing: TimeoutError: not closed within 1 s" in served.said()


def test_a_second_ctrl_c_ends_hypercorn_which_would_wait_for_an_open_stream(serve):
    served = serve("hypercorn -w 0")
    response = served.open("/for-ever")
    served.process.send_signal(signal.SIGINT)

    until_sync(lambda: "asked to stop again" in served.said() or served.process.send_signal(signal.SIGINT), 60)

    assert served.process.wait(60) == 1
    assert "flushed" in served.said()
    response.close()


def test_a_second_ctrl_c_lets_uvicorn_cut_an_open_stream_and_ours_is_closed(serve):
    served = serve("uvicorn")
    response = served.open("/for-ever")
    served.process.send_signal(signal.SIGINT)
    served.printed("to force quit")

    served.stop(signal.SIGINT)

    assert "flushed" in served.said()
    response.close()


def test_with_the_lifespan_off_it_says_that_nothing_is_started(serve):
    response = serve("uvicorn, off").open()

    assert response.status == 503
    assert b"not started: there is no run here; serve lifespan.Lifespan" in response.read()
