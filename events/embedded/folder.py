"""`Folder`: what lies in the folder of an embedded broker, and who may touch it.

    broker.json     where the last broker was: port, control socket, process. It stays, so that the port does
    control.sock    the broker answers here; elsewhere when the path is too long for a Unix socket
    broker.log      what the broker says
    start.lock      held by who looks for a broker or starts one: one at a time
    broker.lock     held by the broker for all its life: so there is one

Both locks are the kernel's (`flock`): they end with their process, however it ends.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused

SOCKET_PATH_BYTES = 100
"""The longest path of a Unix socket that works everywhere (Linux takes 107, macOS 103)."""

LOG_BYTES = 1024 * 1024
"""A longer log is begun anew when the next broker starts."""

_POLL_S = 0.02


class State(msgspec.Struct, frozen=True):
    """Where the last broker was. It may have ended since: only its socket tells."""

    port: int
    control: str
    pid: int


class Folder:
    """The folder of one embedded broker. `locked` makes it when it is missing."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self.log = self.path / "broker.log"
        self._state = self.path / "broker.json"

    def state(self) -> State | None:
        """Where the last broker was, or None when nothing readable says it."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return None

    def remember(self, state: State) -> None:
        """Write where the broker is. Readers see the old file or the new one, never half of it."""
        fresh = self._state.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(state))
        fresh.replace(self._state)

    def control_path(self) -> Path:
        """Where the control socket goes: here, or in a private folder with a shorter path."""
        here = self.path / "control.sock"
        return here if len(os.fsencode(here)) <= SOCKET_PATH_BYTES else self._short_path()

    def open_log(self) -> int:
        """A file descriptor that appends to the log. The caller closes it."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_BYTES:
                self.log.unlink()
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    @contextlib.contextmanager
    def locked(self, name: str, timeout_s: float) -> Iterator[None]:
        """Hold `<name>.lock`. Raises `BrokerUnavailable` when it is not free within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / f"{name}.lock", "ab") as file:
            while not _take(file.fileno()):
                if time.monotonic() >= deadline:
                    raise BrokerUnavailable(f"{self.path / name}.lock was not free within {timeout_s:.0f} s.")
                time.sleep(_POLL_S)
            yield

    def _short_path(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"events-{os.geteuid()}-{digest}" / "control.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            raise EmbeddedBrokerRefused(f"{path} is too long for a Unix socket: set EVENTS['EMBEDDED_FOLDER'].")
        _make_private(path.parent)
        return path


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise EmbeddedBrokerRefused(f"{path} is not a private folder of this user: remove it.")
