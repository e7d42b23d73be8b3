"""`User`: a process that uses the embedded broker, to be ended in the ways that processes end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# Holds the broker until its standard input ends. Says address and the broker's process when it has it.
USER = """
import json, sys
from events.embedded.client import Use, held_open, status
with held_open(sys.argv[1], Use(**json.loads(sys.argv[2]))) as broker:
    print(json.dumps({"address": broker.address, "pid": status(sys.argv[1]).pid}), flush=True)
    sys.stdin.read()
"""


class User:
    """A process that uses the embedded broker."""

    def __init__(self, folder, **use):
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder), json.dumps(use)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def told(self):
        """Wait until it has the broker: its address and process."""
        return json.loads(self._process.stdout.readline())

    def leave(self):
        """End it as it should end."""
        self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait(30)

    def kill(self, *, group=False):
        """End it as a crash would, or with all of its process group."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)
        self._process.wait(30)
        self._process.stdin.close()
        self._process.stdout.close()


def runs(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
