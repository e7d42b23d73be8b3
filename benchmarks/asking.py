"""A small load generator: HTTP/1.1 over raw asyncio connections that stay open. Its answer is one line of JSON.

python -m benchmarks.asking URL CONNECTIONS SECONDS
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit

import uvloop

ANSWER_S = 30.0  # as long as wrk is told to wait

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Asking(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, notes how long it took, asks again."""

    def __init__(self, request, took, answered):
        self.request, self.took, self.answered = request, took, answered
        self.errors, self.buffer = 0, b""

    def connection_made(self, transport):
        self.transport = transport
        self._ask()

    def _ask(self):
        self.since = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.buffer += data
        if not is_whole(self.buffer):
            return
        self.took.append(time.perf_counter() - self.since)
        self.errors += not self.buffer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3"))
        self.buffer = b""
        self.answered.set()
        self._ask()

    def connection_lost(self, exc):
        self.errors += 1


def is_whole(answer):
    """Tell whether an answer has ended: by its length, or by the last of its chunks."""
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        return False
    if length := _LENGTH.search(head):
        return len(body) >= int(length[1])
    return body.endswith(b"0\r\n\r\n")


async def ask(url, connections, seconds):
    """Ask for so many seconds, longer if no answer has come by then; return the figures of a `benchmarks.load.Load`."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    loop, took, answered = asyncio.get_running_loop(), [], asyncio.Event()
    since = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Asking(request, took, answered), parts.hostname, parts.port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    with suppress(TimeoutError):
        await asyncio.wait_for(answered.wait(), ANSWER_S)
    figures = _figures(sorted(took), time.perf_counter() - since)
    figures["errors"] = sum(protocol.errors for _, protocol in opened)
    for transport, _ in opened:
        transport.abort()
    return figures


def _figures(took, seconds):
    at = {percent: took[len(took) * percent // 100] * 1000 if took else 0.0 for percent in (50, 99)}
    return {"requests": len(took), "seconds": seconds, "p50": at[50], "p99": at[99]}


if __name__ == "__main__":
    address, wanted, duration = sys.argv[1:]
    print(json.dumps(uvloop.run(ask(address, int(wanted), float(duration)))))
