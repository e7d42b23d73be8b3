"""The project with sockets as a real process, and a visitor: somebody with a session who opens sockets there."""

import json
from dataclasses import dataclass

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.acceptance.project import PASSWORD, START_S, Project
from tests.waiting import until_sync

APPLICATION = "examples.with_channels.asgi:application"
SETTINGS = "examples.with_channels.settings"
WAIT_S = 60
SERVERS = {
    "uvicorn": ["uvicorn", APPLICATION, "--port", "{port}"],
    "hypercorn": ["hypercorn", APPLICATION, "--bind", "127.0.0.1:{port}", "-w", "0"],
    "daphne": ["daphne", APPLICATION, "-p", "{port}"],
}


@dataclass
class SocketProject(Project):
    """A web process with the sockets, under one of `SERVERS`."""

    application: str = APPLICATION
    server: str = "uvicorn"

    def start(self, **given):
        """Start the server and wait until everything works: before that a like is not sure to be heard."""
        super().start(**given)
        until_sync(lambda: self.ask("GET", "/health/").status == 200, START_S)
        return self

    @property
    def command(self):
        return [part.format(port=self.port) for part in SERVERS[self.server]]

    def socket(self, path, *, origin=None, headers=None):
        """A socket, open inside `with`; the origin is by default that of the project's own pages."""
        address = self.address.replace("http", "ws", 1) + path
        given = self.address if origin is None else origin
        return connect(address, origin=given, additional_headers=headers, open_timeout=WAIT_S, close_timeout=WAIT_S)


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser's session, the same on every process that shares the database."""

    cookies: dict

    @classmethod
    def signed_in(cls, project, username):
        """Sign in as the page does."""
        with httpx.Client(base_url=project.address, timeout=WAIT_S) as client:
            client.get("/login/").raise_for_status()
            form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert client.post("/login/", data=form).status_code == 302
            return cls({"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())})

    def likes_of(self, project, quote_id):
        """The socket of a quote."""
        return project.socket(f"/ws/quotes/{quote_id}/", headers=self.cookies)


def said(socket):
    """The next JSON that comes."""
    return json.loads(socket.recv(WAIT_S))


def told_of(socket, username):
    """What is told with this name. A socket that looks by itself meanwhile may tell the number first, without one."""
    while (told := said(socket)).get("username") != username:
        assert "username" not in told, told
    return told


def code_of(socket):
    """The code with which the other side closes the socket."""
    try:
        while True:
            socket.recv(WAIT_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def environment(folder, **more):
    """What a process sees: SQLite and the embedded broker in this folder, unless others are given."""
    own = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "EVENTS_EMBEDDED_FOLDER": str(folder / "embedded")}
    return own | {"DJANGO_SETTINGS_MODULE": SETTINGS, "DJANGO_ALLOWED_HOSTS": "127.0.0.1"} | more
