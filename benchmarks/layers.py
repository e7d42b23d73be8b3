"""What each layer adds to a request, in nanoseconds: the same application inside all of them, called without a socket.

python -m benchmarks.layers [--rounds 40] [--calls 1000]

Two tables: over an application that only answers, where a layer can be seen, and over Django's handler with a view
that does nothing, where one sees what it matters. Processor time, threads included. Each round calls
each of them `calls` times, in a shuffled order.
"""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.layered import BARE, DJANGO, LIFESPAN, STARLETTE, over_django, over_nothing, use_settings
from benchmarks.machine import facts, was_busy
from benchmarks.report import RESULTS, Goal, Report, Table
from benchmarks.rounds import interleaved, median_ratio

PACKAGES = "django asgiref uvloop starlette fastapi channels django-asgi-lifespan"
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/nothing/",
    "raw_path": b"/nothing/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost:8000"), (b"user-agent", b"benchmarks"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 8000),
}
REQUEST = {"type": "http.request", "body": b"", "more_body": False}


def main(arguments=None):
    """Run the rounds and write the report."""
    options = _options(arguments)
    known = facts(PACKAGES.split())
    use_settings()
    bare = uvloop.run(_measure(over_nothing(), options.rounds, options.calls))
    django = uvloop.run(_measure(over_django(), options.rounds, max(1, options.calls // 20)))
    known["how"] = (
        f"{options.rounds} rounds of {options.calls} calls ({max(1, options.calls // 20)} of Django's), one after the "
        "other, in one event loop of uvloop"
    )
    _report(known, bare, django).write(options.results)


async def _measure(applications, rounds, calls):
    """Return {name: nanoseconds of a call, one a round}."""
    took = {name: [] for name in applications}
    for application in applications.values():
        await _time(application, calls)  # warm
    for _, name in interleaved(applications, rounds):
        took[name].append(await _time(applications[name], calls))
    return took


async def _time(application, calls):
    """Return the processor time of a call, in ns, threads included: it hardly feels who else uses the machine.

    A scope of its own for each, as from a server: some layers write into it.
    """
    answered = Answered()
    began = time.process_time_ns()
    for _ in range(calls):
        answered.asked = False
        await application({**SCOPE}, answered.receive, answered.send)
    took = time.process_time_ns() - began
    if answered.bodies != calls or answered.status != 200:
        raise RuntimeError(f"{answered.bodies} of {calls} calls were answered, the last with {answered.status}")
    return took / calls


class Answered:
    """A client of the least kind: it asks, waits for ever for a disconnect, and counts the answers."""

    def __init__(self):
        self.asked, self.status, self.bodies = False, 0, 0
        self._never = asyncio.Event()

    async def receive(self):
        """The request, and then nothing."""
        if self.asked:
            await self._never.wait()
        self.asked = True
        return REQUEST

    async def send(self, message):
        """Note what came."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not message.get("more_body"):
            self.bodies += 1


def _report(known, bare, django):
    added = {name: _added(bare, name) for name in bare}
    goals = [
        Goal("Lifespan adds, ns", 500, added[LIFESPAN], at_most=True),
        Goal("of what Starlette's mount adds", 0.1, added[LIFESPAN] / added[STARLETTE], at_most=True),
    ]
    tables = [
        Table("Over an application that only answers", ["layer", "CPU ns a call", "adds ns"], _rows(bare, added)),
        Table(
            "Over Django and a view that does nothing", ["layer", "CPU us a call", "vs Django"], _django_rows(django)
        ),
    ]
    remarks = ["Others used the machine: read the ratios, not the absolute figures."] if was_busy() else []
    title = "What a layer adds to a request"
    return Report("layers", title, known, tables, goals=goals, remarks=remarks, raw={"bare": bare, "django": django})


def _added(took, name):
    """What a layer adds: the median of the differences inside each round."""
    return statistics.median(one - bare for one, bare in zip(took[name], took[BARE], strict=True))


def _rows(took, added):
    ranked = sorted(took, key=added.get)
    return [[name, f"{statistics.median(took[name]):,.0f}", f"{added[name]:,.0f}"] for name in ranked]


def _django_rows(took):
    ratios = {name: median_ratio(took[name], took[DJANGO]) for name in took}
    ranked = sorted(took, key=ratios.get)
    return [[name, f"{statistics.median(took[name]) / 1000:,.1f}", f"{ratios[name]:.3f}"] for name in ranked]


def _options(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.layers", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1000, help="in each round; of Django's handler a twentieth")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that the report is written into")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
