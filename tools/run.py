"""`make run`: from a fresh checkout to a page that answers, and back to nothing on Ctrl-C.

It checks the port, installs, prepares the database, serves, says where to look, and stops the server and the
embedded broker. Any python3 >= 3.8 can run this file; the work is done by the Python of `.venv`.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time

from tools import install, python
from tools.server import free_port, is_taken

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 5  # seconds that open requests get when the server stops


class Stop(Exception):
    """Somebody asked us to stop before the server ran."""


def main():
    """Run the whole; return the exit code, or a sentence that says why it could not."""
    began, parent = time.monotonic(), os.getppid()
    try:
        with _own_terminal() as owned:
            for number in SIGNALS:
                signal.signal(number, _stop)
            threading.Thread(target=_watch, args=(parent, owned), daemon=True).start()
            port = _port()
            interpreter = str(install.ensure("run"))
            code = subprocess.call([interpreter, "-m", "tools.prepare"], cwd=str(install.ROOT), start_new_session=True)
            return _serve(interpreter, port, began) if code == 0 else code
    except (install.Failed, python.NoPython, ValueError) as error:
        return str(error)
    except Stop:
        return 0


def _stop(number, frame):
    """Stop, once: the kernel and `_watch` may both tell us that the terminal is gone."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise Stop


def _watch(parent, owned):
    """Stop us when who started us has ended, or the terminal is closed: in a group of our own nobody tells us."""
    while os.getppid() == parent and not (owned and _is_closed(0)):
        time.sleep(0.5)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGHUP)  # it may wait for the server


def _is_closed(terminal):
    try:
        os.tcgetpgrp(terminal)
    except OSError:
        return True
    return False


def _port():
    """Return the port to serve on; a ValueError says what is wrong with it."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdigit() or int(text) > 65535:
        raise ValueError(f"PORT={text} is not a port: give a number from 1 to 65535, or 0 for a free one.")
    port = int(text) or free_port()
    if is_taken(port):
        raise ValueError(f"Port {port} is taken or not allowed. Choose another one: make run PORT={port + 1}")
    return port


def _serve(interpreter, port, began):
    """Serve until a signal comes or the server ends by itself; return the exit code."""
    command = [interpreter, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    command += ["--timeout-graceful-shutdown", str(GRACE)]
    asked = []
    # In a session of its own: Ctrl-C reaches us alone, and we tell it once. A second SIGINT would make it drop all.
    server = subprocess.Popen(command, cwd=str(install.ROOT), start_new_session=True)
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: (asked.append(number), server.send_signal(signal.SIGINT)))
    threading.Thread(target=_tell_where, args=(server, port, began), daemon=True).start()
    code = server.wait()
    _stop_broker(interpreter)
    if asked:
        with contextlib.suppress(OSError):  # the terminal may be closed
            install.say("Stopped.")
        return 0
    return f"The server ended by itself with exit code {code}; its last lines above say why."


def _tell_where(server, port, began):
    """Say where to look as soon as the page answers."""
    while server.poll() is None:
        if _answers(port):
            install.say(f"\n  Open http://127.0.0.1:{port}/   ({time.monotonic() - began:.0f} s; Ctrl-C stops it)\n")
            return
        time.sleep(0.1)


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False


def _stop_broker(interpreter):
    """Stop the embedded broker, which would otherwise wait for another user; a real one is not ours."""
    if not os.environ.get("EVENTS_BOOTSTRAP_SERVERS"):
        command = [interpreter, "manage.py", "events_broker", "--stop"]
        subprocess.call(command, cwd=str(install.ROOT), start_new_session=True)


@contextlib.contextmanager
def _own_terminal():
    """Take the terminal from make while we run: else Ctrl-C ends make with an error, however well we stop.

    Gives whether it is ours now.
    """
    ours = sys.stdin.isatty() and os.tcgetpgrp(0) == os.getpgrp() != os.getpid()
    if not ours:
        yield False
        return
    before = os.getpgrp()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # to give it back we write to a terminal that is not ours
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # nobody would wake us up: the shell knows only make
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):  # it may be closed
            os.tcsetpgrp(0, before)


if __name__ == "__main__":
    sys.exit(main())
