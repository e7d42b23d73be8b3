"""Waiting in tests: poll a condition until it holds or its time is over. Never sleep and hope."""

import asyncio
import inspect
import time

STEP = 0.01  # seconds between two looks


async def until(condition, timeout=10.0):
    """Wait until `condition()` (plain or async) is true, and return what it gave. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout} s: {_described(condition)}")
        await asyncio.sleep(STEP)


def until_sync(condition, timeout=10.0):
    """Wait in a thread until `condition()` is true, and return what it gave. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout} s: {_described(condition)}")
        time.sleep(STEP)
    return value


def _described(condition):
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
