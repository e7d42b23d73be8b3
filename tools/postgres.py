"""A private PostgreSQL server of this checkout: loopback only, no password, nothing else on the machine touched.

    python3 -m tools.postgres start|stop|status|address [--folder FOLDER] [--port PORT]

PostgreSQL refuses to run as root, so root steps down to the user `postgres`. That user may not be able to reach the
checkout; then the data lies in a folder of its own below the system's temporary directory, and `where` in the given
folder says which. Any python3 >= 3.8 can run this file.
"""

import argparse
import glob
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.server import ServerError, free_port, is_taken

OLDEST = 15  # Django 6.1 asks for it
HOME = Path(__file__).resolve().parent.parent / ".run" / "postgres"
DATABASE = "events"

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
max_connections = 200
"""


class Postgres:
    """One server in one folder. The port is chosen once and kept, so that a restart has the same address."""

    def __init__(self, folder=HOME, port=0):
        self.folder, self.wanted_port = Path(folder), port
        self.programs = find_programs()
        self.as_user = _step_down()

    @property
    def data(self):
        """The data folder; what `where` names when the folder itself is out of the server's reach."""
        where = self.folder / "where"
        return (Path(where.read_text()) if where.exists() else self.folder) / "data"

    @property
    def port(self):
        """The port that the server's settings name last."""
        return int(re.findall(r"(?m)^port = (\d+)", (self.data / "postgresql.conf").read_text())[-1])

    def url(self, database=DATABASE):
        """Return the DATABASE_URL of one of its databases."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def is_running(self):
        return self._is_made() and self._run("pg_ctl", "status", "-D", str(self.data)).returncode == 0

    def start(self):
        """Start the server and return when it answers; nothing happens when it runs already."""
        if self.is_running():
            return
        if not self._is_made():
            self._make()
        port = self.wanted_port or self.port
        if is_taken(port):
            raise ServerError(f"Port {port} is taken: stop what listens there, or choose another one with --port.")
        if port != self.port:
            self._append(f"port = {port}\n")
        log = self.data.parent / "postgres.log"
        self._must("pg_ctl", "start", "-w", "-s", "-D", str(self.data), "-l", str(log))

    def stop(self):
        """Stop the server: connections are ended, what is committed is on disk."""
        if self.is_running():
            self._must("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(self.data))

    def kill(self):
        """End the server as a crash would; the next start recovers."""
        if self.is_running():
            self._must("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", str(self.data))

    def remove(self):
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(str(self.data.parent), ignore_errors=True)

    def create(self, database):
        """Create a database, unless it is there."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        done = self._run("createdb", *where, database)
        if done.returncode and b"already exists" not in done.stdout:
            raise ServerError(done.stdout.decode(errors="replace").strip())

    def _is_made(self):
        return self._run("test", "-f", str(self.data / "postgresql.conf")).returncode == 0

    def _make(self):
        """Make the data folder where the server's user can reach it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.as_user:
            self._move_into_reach()
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]
        self._must("initdb", *options, "-D", str(self.data))
        self._append(_SETTINGS.format(port=self.wanted_port or free_port()))

    def _move_into_reach(self):
        shutil.chown(str(self.folder), "postgres")
        if self._run("test", "-w", str(self.folder)).returncode == 0:
            return
        folder = tempfile.mkdtemp(prefix="postgres-")
        shutil.chown(folder, "postgres")
        (self.folder / "where").write_text(folder)

    def _append(self, text):
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(text)

    def _must(self, program, *arguments):
        done = self._run(program, *arguments)
        if done.returncode:
            words = done.stdout.decode(errors="replace").strip()
            raise ServerError(f"{program} failed; the log is {self.data.parent}/postgres.log:\n{words}")

    def _run(self, program, *arguments):
        """Run a program as the server's user. Its output goes to a file: the server itself inherits it."""
        found = self.programs / program
        command = [*self.as_user, str(found if found.exists() else program), *arguments]
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            said.seek(0)
            done.stdout = said.read()
        return done


def find_programs():
    """Return the folder that holds initdb, pg_ctl and postgres, the newest when there are several."""
    places = [*glob.glob("/usr/lib/postgresql/*/bin"), *glob.glob("/usr/pgsql-*/bin")]
    places += glob.glob("/opt/homebrew/opt/postgresql*/bin")
    on_path = shutil.which("initdb")
    places += [os.path.dirname(os.path.realpath(on_path))] if on_path else []
    found = [(_version(place), place) for place in places]
    if not found or max(found)[0] < OLDEST:
        raise ServerError(f"No PostgreSQL {OLDEST} or newer was found: install one (Debian: postgresql).")
    return Path(max(found)[1])


def _version(place):
    said = subprocess.run([os.path.join(place, "postgres"), "--version"], stdout=subprocess.PIPE).stdout.decode()
    number = re.search(r"(\d+)", said)
    return int(number.group(1)) if number else 0


def _step_down():
    """Return what to put before a command so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise ServerError(
            "PostgreSQL refuses to run as root, and there is no user `postgres` to step down to."
        ) from None
    if shutil.which("setpriv"):
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    if shutil.which("runuser"):
        return ["runuser", "-u", "postgres", "--"]
    raise ServerError(
        "PostgreSQL refuses to run as root: install setpriv or runuser (util-linux), or use another user."
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tools.postgres", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["start", "stop", "status", "address"])
    parser.add_argument("--folder", type=Path, default=HOME)
    parser.add_argument("--port", type=int, default=0, help="0: the one it had, else a free one")
    options = parser.parse_args(arguments)
    try:
        return _do(options.what, Postgres(options.folder.resolve(), options.port))
    except ServerError as error:
        return str(error)
    except KeyboardInterrupt:
        return "Stopped half way."


def _do(what, postgres):
    if what == "start":
        began = time.monotonic()
        postgres.start()
        postgres.create(DATABASE)
        print(f"PostgreSQL answers on 127.0.0.1:{postgres.port} after {time.monotonic() - began:.1f} s.")
        print(f"To use it:  export DATABASE_URL={postgres.url()}")
    elif what == "stop":
        postgres.stop()
        print("PostgreSQL is stopped; its data stays.")
    elif not postgres.is_running():
        return "PostgreSQL is not running here (make postgres starts it)."
    else:
        print(postgres.url() if what == "address" else f"PostgreSQL runs on 127.0.0.1:{postgres.port}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
