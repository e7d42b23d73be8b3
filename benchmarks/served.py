"""A server process that is measured: started on one core, asked until it answers, its processor time read, ended."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools.server import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
START_S = 30
STOP_S = 10
_TICKS = os.sysconf("SC_CLK_TCK")


class Disqualified(Exception):
    """A contestant that does not start, answers wrong, or makes errors under load; the text says which."""


class Served:
    """A running server: `address`, `processor_seconds()`, `get(path)`."""

    def __init__(self, process, port, log):
        self.process, self.port, self._log = process, port, log
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path):
        """Return (status, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def check(self, path, expected):
        """Ask once and compare the JSON of the answer. Raises `Disqualified`."""
        try:
            status, body = self.get(path)
            right = status == 200 and json.loads(body) == expected
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Disqualified(f"{type(error).__name__}: {error}; {self.last_words()}") from None
        if not right:
            raise Disqualified(f"it answered {status} with {body[:80]!r}; {self.last_words()}")

    def wait(self, path):
        """Wait until it answers at all. Raises `Disqualified`."""
        if not wait_until(lambda: self.process.poll() is not None or self._answers(path), START_S):
            raise Disqualified(f"no answer within {START_S} s; {self.last_words()}")
        if self.process.poll() is not None:
            raise Disqualified(f"it ended with {self.process.returncode}; {self.last_words()}")

    def _answers(self, path):
        try:
            return bool(self.get(path))
        except (OSError, http.client.HTTPException):
            return False

    def rest(self):
        """Take the processor away from it, until `wake`."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def wake(self):
        """Let it go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def processor_seconds(self):
        """User and system time of the process, its ended threads and its children included."""
        return sum(map(_seconds, [self.process.pid, *_below(self.process.pid)]))

    def last_words(self):
        """The last line of its log."""
        lines = Path(self._log).read_text(errors="replace").strip().splitlines()
        return f"its last words: {lines[-1].strip()}" if lines else "it said nothing"


@contextmanager
def serving(command, environment, core):
    """Run a server for a block; "{port}" in its command is a free port. `core`: the only one it may use, or None."""
    port = free_port()
    command = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        try:
            yield Served(process, port, log.name)
        finally:
            _stop(process)


def _stop(process):
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else is in it
        process.wait()


def _seconds(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _below(pid):
    """The processes that it started, and theirs."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, found) for one in (child, *_below(child))]
