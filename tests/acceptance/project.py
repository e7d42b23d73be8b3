"""The checkout as real processes: a web process under uvicorn, and `manage.py`, with an environment of their own."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import until_sync
from tools.server import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "of-the-tests-1"
START_S, STOP_S = 90, 60  # a start takes some seconds; a stop at most the 20 of `Lifespan`, and the server's own


@dataclass
class Answer:
    """An HTTP answer: its status, its headers and its body as JSON, or as text where it is none."""

    status: int
    headers: dict
    body: object


@dataclass
class Project:
    """One web process with its own folder for logs. `environment` is all that it sees besides PATH."""

    folder: Path
    environment: dict
    port: int = field(default_factory=free_port)
    root: Path = ROOT
    application: str = "config.asgi:application"
    process: subprocess.Popen | None = None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self):
        """What starts the server, after `python -m`."""
        return ["uvicorn", self.application, "--port", str(self.port)]

    @property
    def log(self):
        """What the process has said so far, over all its starts."""
        return (self.folder / "web.log").read_text()

    def start(self, *, path="/quotes/"):
        """Start the server and wait until `path` answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", *self.command]
        with (self.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.root, env=self._seen(), stdout=log, stderr=log)
        until_sync(lambda: self._answers(path), START_S)
        return self

    def stop(self):
        """SIGTERM. Returns the exit code. Nothing is left of the process, also when it does not obey."""
        return self._end(signal.SIGTERM)

    def close(self):
        """Stop what still runs: for the end of a test, however it ended."""
        if self.process and self.process.poll() is None:
            self.stop()

    def kill(self):
        """SIGKILL."""
        return self._end(signal.SIGKILL)

    def manage(self, *arguments, check=True, **environment):
        """Run `manage.py` and return the finished process."""
        command = [sys.executable, "manage.py", *arguments]
        finished = subprocess.run(
            command, cwd=self.root, env=self._seen() | environment, capture_output=True, text=True, timeout=600
        )
        assert not check or finished.returncode == 0, finished.stdout + finished.stderr
        return finished

    def manage_in_background(self, *arguments):
        """Start `manage.py`; its output goes to a file beside the log."""
        with (self.folder / "manage.log").open("ab") as log:
            command = [sys.executable, "manage.py", *arguments]
            return subprocess.Popen(command, cwd=self.root, env=self._seen(), stdout=log, stderr=log)

    def prepare(self, *usernames):
        """Migrate and make users, the first of them of the staff, all with the same password."""
        self.manage("migrate", "--run-syncdb", "--verbosity=0")
        make = (
            "from django.contrib.auth.models import User\n"
            f"for place, name in enumerate({usernames!r}):\n"
            f"    User.objects.create_user(name, password={PASSWORD!r}, is_staff=place == 0)\n"
        )
        self.manage("shell", "--no-imports", "-c", make)
        return self

    def count(self, model, **filters):
        """How many rows a model has: `quotes.Quote`."""
        code = f"from django.apps import apps\nprint(apps.get_model({model!r}).objects.filter(**{filters!r}).count())"
        return int(self.manage("shell", "--no-imports", "-c", code).stdout.split()[-1])

    def ask(self, method, path, body=None, *, user=None, headers=None):
        """One HTTP request. `body`: an object for JSON, or bytes as they are."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, self._headers(user, headers, data), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, dict(response.headers), _parsed(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), _parsed(error.read()))

    def authorization(self, user):
        """The header's value for HTTP Basic."""
        return "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()

    def _headers(self, user, headers, data):
        given = {} if data is None else {"Content-Type": "application/json"}
        if user:
            given["Authorization"] = self.authorization(user)
        return given | (headers or {})

    def _answers(self, path):
        assert self.process.poll() is None, self.log
        try:
            return self.ask("GET", path).status
        except OSError:
            return None

    def _end(self, signum):
        self.process.send_signal(signum)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _seen(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYENV_VERSION") if name in os.environ}
        settings = self.environment.get("DJANGO_SETTINGS_MODULE", "config.settings")
        ours = {"DJANGO_SETTINGS_MODULE": "tests.acceptance.settings", "SETTINGS_OF": settings}
        return kept | {"PYTHONUNBUFFERED": "1"} | self.environment | ours


def _parsed(data):
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode(errors="replace")
