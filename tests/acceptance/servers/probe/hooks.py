"""What the probe's views ask of whoever holds its resources. Each wrapper under test fills these in at its start.

    send(name)     the event is in Kafka when it returns
    publish(name)  the event is on its way, or in a table; None where a wrapper has no such thing
    draining       an asyncio.Event: streams should end
    break_down()   let a background task die, in the way that PROBE_DIES says

`trouble()` is the resource that starts slowly or not at all, for every wrapper the same.
"""

import asyncio
import os
import sys

send = publish = draining = break_down = None


def say(*words):
    """A line that the test waits for."""
    sys.stdout.write(" ".join(["probe:", *words, str(os.getpid())]) + "\n")
    sys.stdout.flush()


async def trouble():
    """Take PROBE_START_S seconds to start, or fail for PROBE_FAIL."""
    say("opening")
    await asyncio.sleep(float(os.environ.get("PROBE_START_S", 0)))
    if "PROBE_FAIL" in os.environ:
        raise OSError("the probe cannot start")
