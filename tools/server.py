"""What the private servers have in common: a free port, a check that something answers, a wait with a deadline.

Any python3 >= 3.8 can run this file.
"""

import contextlib
import fcntl
import random
import socket
import time

# Below the range that systems give to outgoing connections: a port that we stop and start again stays free.
_PORTS = range(20000, 30000)
_untried = iter(random.sample(_PORTS, len(_PORTS)))


class ServerError(Exception):
    """A server could not be started or stopped; the text says why and what to change."""


def free_port():
    """Return a port of the loopback that nobody listens on, and none twice: who has got it may listen only later."""
    for port in _untried:
        if not is_taken(port):
            return port
    raise ServerError("No free port is left between 20000 and 30000.")


def is_taken(port):
    """Tell whether a port of the loopback cannot be listened on."""
    with contextlib.closing(socket.socket()) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ours.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def wait_until(condition, seconds, step=0.05):
    """Ask `condition` until it is true; return False when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


@contextlib.contextmanager
def locked(path):
    """Hold a file's lock for a block, and give the open file: a child that inherits it holds the lock on."""
    with open(str(path), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def is_locked(path):
    """Tell whether somebody holds the lock of a file."""
    try:
        with open(str(path)) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
