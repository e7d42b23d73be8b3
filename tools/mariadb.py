"""A private MariaDB server for the tests: loopback only, no password, nothing else on the machine touched.

MariaDB refuses to run as root, so root steps down to the user `mysql`, with the data in a folder that this user can
reach. Any python3 >= 3.8 can run this file.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.server import ServerError, free_port, is_taken, wait_until

OLDEST = (10, 6)  # Django 6 asks for it
ADMIN = "root"  # as the server's own tools call it; it may do anything, from this machine
READY_WITHIN_S, STOPPED_WITHIN_S = 60, 30


class MariaDB:
    """One server in a folder of its own below the system's temporary directory, on a port that it keeps."""

    def __init__(self):
        self.program, self.install = find_programs()
        self.user = _user()
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.port = free_port()
        self._running = None
        if self.user:
            shutil.chown(str(self.folder), self.user)

    def url(self, database=""):
        """Return the DATABASE_URL of one of its databases."""
        return f"mysql://{ADMIN}@127.0.0.1:{self.port}/{database}"

    def start(self):
        """Start the server and return when it answers; nothing happens when it runs already."""
        if self._runs():
            return
        if is_taken(self.port):
            raise ServerError(f"Port {self.port}, where MariaDB ran, is taken by another program.")
        if not (self.folder / "data").exists():
            self._make()
        with self.log.open("ab") as log:
            where = [f"--socket={self.folder / 'socket'}", "--bind-address=127.0.0.1", f"--port={self.port}"]
            self._running = subprocess.Popen([self.program, *self._data(), *where], cwd="/", stdout=log, stderr=log)
        if not wait_until(lambda: is_taken(self.port) or not self._runs(), READY_WITHIN_S):
            self.stop()
        if not self._runs():
            raise ServerError(f"MariaDB does not start; its log says:\n{self._last_words()}")

    def stop(self):
        """Stop the server: connections are ended, what is committed is on disk."""
        if self._runs():
            self._running.terminate()
            try:
                self._running.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()

    def remove(self):
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(str(self.folder), ignore_errors=True)

    @property
    def log(self):
        """What it says."""
        return self.folder / "mariadb.log"

    def _make(self):
        options = [*self._data(), "--skip-test-db", "--auth-root-authentication-method=normal"]
        with self.log.open("wb") as log:
            done = subprocess.run([self.install, *options], cwd="/", stdout=log, stderr=log)
        if done.returncode:
            raise ServerError(f"MariaDB's data folder cannot be made; the log says:\n{self._last_words()}")

    def _data(self):
        return ["--no-defaults", f"--datadir={self.folder / 'data'}", *([f"--user={self.user}"] if self.user else [])]

    def _last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])

    def _runs(self):
        return self._running is not None and self._running.poll() is None


def find_programs():
    """Return the paths of the server and of what makes its data folder. Raises `ServerError` without them."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = [shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")]
    if not all(found) or _version(found[0]) < OLDEST:
        raise ServerError("No MariaDB {}.{} or newer was found: install one (Debian: mariadb-server).".format(*OLDEST))
    return found


def _version(program):
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE).stdout.decode()
    number = re.search(r"Ver (\d+)\.(\d+)", said)
    return (int(number.group(1)), int(number.group(2))) if number else (0, 0)


def _user():
    """Return the user that root steps down to, or "" for whoever runs this."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("mysql").pw_name
    except KeyError:
        raise ServerError("MariaDB refuses to run as root, and there is no user `mysql` to step down to.") from None
