"""The set-ups of the matrix: which server, with which flags. `docs/servers.md` lists and advises the same ones."""

import sys
from dataclasses import dataclass, field

APPLICATION = "tests.acceptance.servers.probe.asgi:application"


@dataclass(frozen=True)
class Setup:
    """A server as it is started. `command` is filled in with the application, the port, and a
    folder to watch.

    `workers`: processes that serve, each a member of the group. `parent`: the process that we start is none of them.
    `short`: it has a part in `make test`.
    `environment`: what its process sees besides.
    """

    name: str
    command: str
    workers: int = 1
    parent: bool = False
    short: bool = False
    environment: dict = field(default_factory=dict, hash=False)

    def arguments(self, port, folder, application=APPLICATION):
        """The whole command line."""
        return [sys.executable, "-m", *self.command.format(app=application, port=port, folder=folder).split()]


UVICORN = "uvicorn {app} --port {port} --timeout-graceful-shutdown 6"
HYPERCORN = "hypercorn {app} --bind 127.0.0.1:{port}"
UVLOOP = "-k uvloop --graceful-timeout 6"
GRANIAN = "granian --interface asgi {app} --port {port} --workers-kill-timeout 6"
GUNICORN = "gunicorn {app} --bind 127.0.0.1:{port} --graceful-timeout 6 --workers 2"

SETUPS = [
    Setup("uvicorn", UVICORN, short=True),
    Setup("uvicorn-w2", f"{UVICORN} --workers 2", workers=2, parent=True),
    Setup("uvicorn-reload", f"{UVICORN} --reload --reload-dir {{folder}}", parent=True),
    Setup("hypercorn-w0", f"{HYPERCORN} -w 0"),
    Setup("hypercorn-w1", f"{HYPERCORN} -w 1", parent=True, short=True),
    Setup("hypercorn-w2", f"{HYPERCORN} -w 2", workers=2, parent=True, short=True),
    Setup("hypercorn-w0-uvloop", f"{HYPERCORN} -w 0 {UVLOOP}"),
    Setup("hypercorn-w1-uvloop", f"{HYPERCORN} -w 1 {UVLOOP}", parent=True),
    Setup("hypercorn-w2-uvloop", f"{HYPERCORN} -w 2 {UVLOOP}", workers=2, parent=True),
    Setup("daphne", "daphne -b 127.0.0.1 -p {port} {app}", short=True),
    Setup(
        "runserver",
        "django runserver 127.0.0.1:{port}",
        parent=True,
        environment={"PROBE_DAPHNE": "1"},
    ),
    Setup("granian", GRANIAN, parent=True, short=True),
    Setup("granian-w2", f"{GRANIAN} --workers 2 --respawn-failed-workers", workers=2, parent=True),
    Setup("gunicorn-uvicorn", f"{GUNICORN} -k uvicorn_worker.UvicornWorker", workers=2, parent=True, short=True),
    Setup("gunicorn-asgi", f"{GUNICORN} -k asgi", workers=2, parent=True, short=True),
]
