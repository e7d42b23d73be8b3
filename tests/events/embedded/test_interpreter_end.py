"""At the end of the interpreter, as at a Ctrl-C in runserver: a thread still holds the broker."""

import subprocess
import sys

from tests.events.embedded.user_process import ROOT

SCRIPT = """
import contextlib, sys, threading
from events.embedded.client import Use, aheld_open
from lifespan import run
held = threading.Event()
@contextlib.asynccontextmanager
async def holding(run):
    async with aheld_open(sys.argv[1], Use()):
        yield held.set()
    print("let go", flush=True)
threading.Thread(target=run, args=(holding,), daemon=True).start()
held.wait()
"""


def test_it_is_let_go_at_the_end_of_the_interpreter_when_no_executor_takes_work(folder):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, cwd=ROOT, timeout=60)

    assert (done.stdout, done.stderr) == (b"let go\n", b"")
