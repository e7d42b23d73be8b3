"""The door of the child process: `python -m events.embedded --folder <folder> --linger <seconds>`.

It forks once and returns when the broker is ready (exit code 0) or could not start (1): so the broker is nobody's
child, no zombie and no warning is left to who asked for it, and asking is a plain call.
"""

import argparse
import asyncio
import logging
import os
import sys

from events.core.errors import EventsError
from events.embedded.broker import Broker
from events.embedded.folder import Folder

LOCK_S = 8.0
"""Seconds to wait for the end of the broker before this one. Who asked waits 10."""

logger = logging.getLogger("events.embedded")


def main() -> int:
    """Start a broker in the background. Returns the exit code."""
    options = _options()
    ready, tell_ready = os.pipe()
    if os.fork():
        os.close(tell_ready)
        return 0 if os.read(ready, 1) else 1
    os.close(ready)
    os.umask(0o077)  # the control socket is this user's alone
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    return _serve(Folder(options.folder), options.linger, tell_ready=tell_ready)


def _serve(folder: Folder, linger_s: float, *, tell_ready: int) -> int:
    try:
        with folder.locked("broker", LOCK_S):
            asyncio.run(_run(folder, linger_s, tell_ready=tell_ready))
    except (EventsError, OSError) as error:
        logger.error("could not run: %s", error)
        return 1
    return 0


async def _run(folder: Folder, linger_s: float, *, tell_ready: int) -> None:
    def ready() -> None:
        os.write(tell_ready, b"1")
        os.close(tell_ready)

    await Broker(folder, linger_s).run(ready)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m events.embedded", description="The embedded broker.")
    parser.add_argument("--folder", required=True, help="where its socket, its log and its port are kept")
    parser.add_argument("--linger", type=float, default=30.0, help="seconds to live without a user")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
