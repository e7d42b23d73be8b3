"""`Served`: one server process with its workers, in a session of its own; and requests to it as a client sees them."""

import http.client
import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from tests.waiting import until_sync

ROOT = Path(__file__).resolve().parents[3]
LOG = "log"
SIGNALLED = "signalled"  # a file in the folder of a server, there from its first signal on
START_S = 60
NOTICED_S = 20  # Django looks once a second
ANSWER_S = 40
ORPHANS_S = 20


def _has_ended(group):
    """Whether all processes of a group have ended, and init has yet to collect them: some collect every few seconds.

    Only Linux says so; elsewhere False.
    """
    states = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, of_group, *_ = status.read_text().rpartition(") ")[2].split()
            states += [state] * (int(of_group) == group)
    return bool(states) and set(states) <= {"Z", "X"}


class Request(threading.Thread):
    """One GET that runs by itself: `outcome()` is its status, "refused", or "cut" when no whole answer came."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path = port, path
        self.body, self._outcome = b"", None
        self.start()

    def run(self):
        """Ask, and read to the end."""
        try:
            self._outcome = self._ask()
        except ConnectionRefusedError:
            self._outcome = "refused"
        except (OSError, http.client.HTTPException):
            self._outcome = "cut"

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("GET", self.path)
            response = connection.getresponse()
            while line := response.readline():
                self.body += line
            return str(response.status)
        finally:
            connection.close()

    def outcome(self, timeout=ANSWER_S):
        """Wait for the end."""
        self.join(timeout)
        return self._outcome or "open"


class Served:
    """A server that was started, and everything it printed."""

    def __init__(self, arguments, port, *, folder, environment):
        self.port = port
        self._log, self._watched, self._signalled = folder / LOG, folder / "watched.py", folder / SIGNALLED
        self._watched.touch()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                arguments,
                cwd=ROOT,
                env=kept | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def text(self):
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def said(self, words):
        """How often the probe has said something."""
        return len(re.findall(rf"^probe: {words} \d+$", self.text, re.MULTILINE))

    def wait_for(self, words, times=1, timeout=START_S):
        """Wait until the probe has said something so often."""
        with suppress(AssertionError):
            until_sync(lambda: self.said(words) >= times or self._is_over(), timeout)
        assert self.said(words) >= times, f"it never said {words!r}\n{self.text}"

    def change_a_file(self):
        """Change the file that an autoreloader watches, and once more if Django's had not looked at it before."""
        for _ in range(2):
            self._watched.write_text("changed = True\n")
            with suppress(AssertionError):
                return until_sync(lambda: self.said("closed"), NOTICED_S)

    def get(self, path):
        """One GET: its status, "refused" or "cut"."""
        return Request(self.port, path).outcome()

    def wait_until_it_serves(self):
        """Wait for the first 200."""
        until_sync(lambda: self.get("/quick/") == "200" or self._is_over(), START_S)
        assert not self._is_over(), f"it ended before it served\n{self.text}"

    def workers(self, many):
        """The process ids that answer, as soon as there are so many."""
        return until_sync(lambda: len(pids := self._processes("open")) >= many and pids, START_S)

    def signal(self, signum, *, group=False):
        """Signal the process that we have started, or all of its session, as a terminal does; and say so in a file."""
        (os.killpg if group else os.kill)(self.process.pid, signum)
        self._signalled.touch()

    def ended(self, within):
        """Wait for the end: the exit code, or None when it is not over within so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(within)
        return None

    def leaves_orphans(self):
        """Whether processes outlive the one that we have started, which has ended."""
        with suppress(AssertionError):
            until_sync(lambda: not self._has_processes(), ORPHANS_S)
        return self._has_processes()

    def kill(self):
        """Kill whatever is left of the session."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def _processes(self, words):
        return re.findall(rf"^probe: {words} (\d+)$", self.text, re.MULTILINE)

    def _has_processes(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return not _has_ended(self.process.pid)

    def _is_over(self):
        return self.process.poll() is not None
