"""`make run` whose terminal or whose make is gone: it stops, though nobody tells it."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until_sync

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30

# `tools.run` at work on something that never ends. It notes its process id, and its exit code when it has stopped.
RUN = """
import os, signal, sys, time
from pathlib import Path
from tools import run

def work(_):
    Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(60)

run._port = lambda: 1
run.install.ensure = work
code = run.main()
os.kill(os.getpid(), signal.SIGHUP)  # whoever else notices, too: it has stopped already
Path(sys.argv[2]).write_text(str(code))
"""


@pytest.fixture
def make(tmp_path):
    """A make that runs it, as the leader of a session in a terminal: the process, our end, and the two notes."""
    (tmp_path / "run.py").write_text(RUN)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    command = shlex.join([sys.executable, str(tmp_path / "run.py"), str(begun), str(ended)])
    (tmp_path / "Makefile").write_text(f"run:\n\t@{command}\n")
    ours, its = os.openpty()
    process = subprocess.Popen(
        ["make", "-C", str(tmp_path), "run"],
        preexec_fn=lambda: os.login_tty(its),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(its)
    until_sync(lambda: begun.exists() and begun.read_text(), WAIT_S)
    with open(ours, "rb", buffering=0) as terminal:  # which a test may close before us
        yield process, terminal, ended
        process.kill()
        process.wait(WAIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(begun.read_text()), signal.SIGKILL)


def test_it_stops_when_make_was_killed(make):
    process, _, ended = make

    process.kill()

    until_sync(lambda: ended.exists() and ended.read_text() == "0", WAIT_S)


def test_it_stops_when_its_terminal_is_closed(make):
    _, terminal, ended = make

    terminal.close()

    until_sync(lambda: ended.exists() and ended.read_text() == "0", WAIT_S)
