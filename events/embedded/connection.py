"""`Connection`: the user's end of a control socket. It blocks."""

import contextlib
import socket
import time
from collections.abc import Iterator

import msgspec

from events.core.errors import BrokerUnavailable
from events.embedded import control
from events.embedded.folder import Folder

ANSWER_S = 5.0
"""Seconds within which the broker answers, or is taken for stuck."""


class Connection:
    """A connected control socket. One thread reads it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lines = connected.makefile("rb")

    def ask(self, request: control.Request) -> control.Answer | None:
        """Say something and wait for the answer. None: the broker ended first. `BrokerUnavailable`: it is stuck."""
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.sendall(control.line(request))
            return next(self._read(), None)
        except TimeoutError as error:
            raise BrokerUnavailable(f"The embedded broker does not answer for {ANSWER_S:.0f} s.") from error
        except OSError:
            return None

    def say(self, request: control.Request) -> None:
        """Say something. Who reads `answers` gets the answer; a broker that has ended hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.sendall(control.line(request))

    def answers(self) -> Iterator[control.Answer]:
        """What the broker says, until one of the two ends the connection."""
        self._socket.settimeout(None)
        with contextlib.suppress(OSError):
            yield from self._read()

    def leave(self) -> None:
        """Say that nothing more will be said: the broker closes, which ends `answers` in the thread that reads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
        self._socket.close()

    def _read(self) -> Iterator[control.Answer]:
        while text := self._lines.readline(control.LINE_BYTES):
            try:
                yield control.answer(text)
            except msgspec.MsgspecError as error:  # a broker of another version, still there after an upgrade
                yield control.Refused(f"Not an answer of this version: {error}")


def connect(folder: Folder, deadline: float) -> Connection | None:
    """Connect to the folder's broker; None when none runs. `deadline`: of `time.monotonic`."""
    state = folder.state()
    if state is None:
        return None
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(max(deadline - time.monotonic(), 0.1))
    try:
        connected.connect(state.control)
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except BaseException:
        connected.close()
        raise
    return Connection(connected)
