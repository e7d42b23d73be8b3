"""Waiting for something to become true, with a deadline, instead of sleeping and hoping."""

import asyncio
import time

POLL_S = 0.01


def wait_until(condition, timeout_s=5.0):
    """Poll until `condition()` is true and return its value; fail after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(POLL_S)
    return value


async def await_until(condition, timeout_s=5.0):
    """The same inside an event loop, which goes on running."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        await asyncio.sleep(POLL_S)
    return value


async def until(condition, timeout=10.0):
    """`await_until` with room for a machine that runs other tests too."""
    return await await_until(condition, timeout)


def until_sync(condition, timeout=10.0):
    """`wait_until` with room for a machine that runs other tests too."""
    return wait_until(condition, timeout)
