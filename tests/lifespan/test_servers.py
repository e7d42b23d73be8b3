"""The middleware in real server processes: a stop with a stream open, a failed run, a failed start."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import lifespan
from tests.waiting import until_sync

pytestmark = pytest.mark.acceptance

APPLICATION = """
import asyncio, os
from contextlib import asynccontextmanager
import lifespan

async def stream(scope, receive, send):
    run = lifespan.current()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\\n\\n", "more_body": True})
    if scope["path"] == "/fail":
        run.fail(RuntimeError("lost the broker"))
    await run.draining.wait()
    await send({"type": "http.response.body", "body": b"data: bye\\n\\n"})

@asynccontextmanager
async def producing(run):
    if "BROKEN" in os.environ:
        raise OSError("no broker")
    print(f"process {os.getpid()}", flush=True)
    yield
    print("flushed", flush=True)

application = lifespan.Lifespan(stream, producing)
"""
SERVERS = {
    "uvicorn": ["uvicorn", "application:application", "--port", "0"],
    "hypercorn": ["hypercorn", "application:application", "--bind", "127.0.0.1:0", "-w", "1"],
}


class Served:
    """A server process; what it prints goes to a file."""

    def __init__(self, folder, server, **environment):
        (folder / "application.py").write_text(APPLICATION)
        self.log = folder / "log"
        here = Path(lifespan.__file__).parent.parent
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{here}", **environment}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *SERVERS[server]], stdout=log, stderr=log, env=environment, cwd=folder
            )

    def printed(self, pattern):
        return until_sync(lambda: re.search(pattern, self.log.read_text()), 30)[1]

    def open(self, path="/"):
        port = self.printed(r"[Rr]unning on http://127\.0\.0\.1:(\d+)")
        response = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20)
        assert response.readline() == b"data: hello\n"
        return response


@pytest.fixture
def serve(tmp_path):
    """Start a server; it is killed at the end of the test if it is still there."""
    started = []

    def start(server, **environment):
        started.append(Served(tmp_path, server, **environment))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait()


def test_uvicorn_stops_cleanly_with_a_stream_open(serve):
    served = serve("uvicorn")
    response = served.open()

    served.process.send_signal(signal.SIGTERM)

    assert response.read() == b"\ndata: bye\n\n"
    assert served.process.wait(20) == -signal.SIGTERM  # uvicorn's own way to end
    assert "flushed" in served.log.read_text()


def test_uvicorn_drains_a_failed_run_and_leaves_with_1(serve):
    served = serve("uvicorn")
    response = served.open("/fail")

    assert response.read() == b"\ndata: bye\n\n"
    assert served.process.wait(20) == 1
    assert "flushed" in served.log.read_text()


def test_uvicorn_does_not_serve_after_a_failed_start(serve):
    served = serve("uvicorn", BROKEN="yes")

    assert served.process.wait(20) == 3
    assert "not started: producing: OSError: no broker" in served.log.read_text()


def test_hypercorns_worker_survives_the_sigterm_of_its_whole_group(serve):
    served = serve("hypercorn")
    response = served.open()
    worker = int(served.printed(r"process (\d+)"))
    assert worker != served.process.pid

    os.kill(worker, signal.SIGTERM)
    served.process.send_signal(signal.SIGTERM)

    assert response.read() == b"\ndata: bye\n\n"
    assert served.process.wait(20) == 0
    assert "flushed" in served.log.read_text()


def test_hypercorns_worker_asks_its_parent_when_a_run_fails(serve):
    served = serve("hypercorn")
    response = served.open("/fail")

    assert response.read() == b"\ndata: bye\n\n"
    served.process.wait(20)
    assert "flushed" in served.log.read_text()
