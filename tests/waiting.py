"""Waiting for something to become true, with a deadline, instead of sleeping and hoping."""

import asyncio
import time

POLL_S = 0.01
TIMEOUT_S = 30.0  # room for a machine that runs other tests too; what comes soon is not waited for any longer


async def until(condition, timeout=TIMEOUT_S):
    """Poll until `condition()` is true and return its value; fail after `timeout` seconds. The loop goes on."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        await asyncio.sleep(POLL_S)
    return value


def until_sync(condition, timeout=TIMEOUT_S):
    """The same without an event loop."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        time.sleep(POLL_S)
    return value
