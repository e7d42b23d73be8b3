"""Requests per second and processor time per request of a view that reads a list, under each contestant.

python -m benchmarks.web --database sqlite|postgres [--rounds 15] [--seconds 1] [--only WORD ...]

All servers are started and warmed up first, on one core, and stopped by a signal (SIGSTOP) until it is their turn. In
its turn each is asked once and its answer checked; then 32 connections ask it from another core, where PostgreSQL runs
too. Who answers wrong or makes an error is out.
"""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.databases import database_url, environment, prepare
from benchmarks.load import LoadFailed, generator, put
from benchmarks.machine import facts
from benchmarks.report import RESULTS
from benchmarks.rounds import interleaved
from benchmarks.served import Disqualified, serving
from benchmarks.web_report import web_report

PACKAGES = "django asgiref uvicorn uvloop httptools granian fastapi pydantic starlette psycopg psycopg-pool msgspec"
WARM_UP_S = 1


@dataclass(frozen=True)
class Setting:
    """What all contestants of a run share. `core`: where the server runs; None on a machine with one core."""

    options: argparse.Namespace
    environment: dict
    expected: object
    load: str
    core: int | None


def main(arguments=None):
    """Run the rounds and write the report; return 1 when a contestant was disqualified."""
    options = _options(arguments)
    known = facts(PACKAGES.split())
    core = _make_room()
    try:
        load = generator(options.load)
    except LoadFailed as error:
        return str(error)
    with database_url(options.database) as url, ExitStack() as stack:
        seen = environment(url) | {"BENCHMARK_MIDDLEWARE": options.middleware}
        setting = Setting(options, seen, json.loads(prepare(seen)), load, core)
        run = Run(setting)
        run.start(_entered(options), stack)
        run.measure()
    web_report(setting, known, measured=run.measured, out=run.out).write(options.results)
    return 1 if run.out else 0


class Run:
    """The servers of a run, and what came out: `measured` has the figures of each round, `out` says why not."""

    def __init__(self, setting):
        self.setting, self.servers, self.measured, self.out = setting, {}, {}, {}

    def start(self, entered, stack):
        """Start and warm up the servers, and let them rest; `stack` ends them."""
        for one in entered:
            self._tell("start", one, lambda one=one: self._start(one, stack))

    def measure(self):
        """Measure each contestant once a round, in a shuffled order."""
        options = self.setting.options
        for number, one in interleaved([*self.servers], options.rounds, options.seed):
            if one.name not in self.out:
                self._tell(f"round {number}", one, lambda one=one: self._turn(one))

    def _tell(self, when, one, step):
        """Take a step and print what came of it; a contestant that fails is out, with its earlier figures."""
        try:
            said = step()
        except (Disqualified, LoadFailed) as error:
            self.out[one.name] = said = str(error)
            self.measured.pop(one.name, None)
        print(f"{when:10} {one.name:45} {said}", file=sys.stderr, flush=True)

    def _start(self, one, stack):
        setting = self.setting
        served = stack.enter_context(serving(one.command(), setting.environment | one.environment(), setting.core))
        served.wait(one.path)
        served.check(one.path, setting.expected)
        self._put(served, one, min(WARM_UP_S, setting.options.seconds))
        served.rest()
        self.servers[one] = served
        self.measured[one.name] = []
        return "runs"

    def _turn(self, one):
        served = self.servers[one]
        served.wake()
        try:
            figures = self._figures(served, one)
        finally:
            served.rest()
        self.measured[one.name].append(figures)
        return "{requests_per_second:8.0f} req/s {processor_us:7.0f} us".format(**figures)

    def _figures(self, served, one):
        served.check(one.path, self.setting.expected)
        before = served.processor_seconds()
        done = self._put(served, one, self.setting.options.seconds)
        used = served.processor_seconds() - before
        return {
            "requests_per_second": done.requests / done.seconds,
            "processor_us": used / done.requests * 1e6,
            "processor_share": used / done.seconds,
            "p50_ms": done.p50,
            "p99_ms": done.p99,
            "load_busy": done.busy,
        }

    def _put(self, served, one, seconds):
        connections = self.setting.options.connections
        done = put(served.address + one.path, connections=connections, seconds=seconds, by=self.setting.load)
        if done.errors or not done.requests:
            raise Disqualified(f"{done.errors} errors in {done.requests} requests; {served.last_words()}")
        return done


def _make_room():
    """Leave one core to the server: this process, and what it starts later, runs on the others. Return that core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        return None
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


def _entered(options):
    here = [one for one in CONTESTANTS if options.database in one.databases]
    wanted = [one for one in here if any(word.lower() in one.name.lower() for word in options.only or [""])]
    if not wanted:
        sys.exit(f"Nobody is called so; on {options.database} these enter: {'; '.join(one.name for one in here)}.")
    return wanted


def _options(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.web", description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgres"], required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0, help="of load, for each contestant in each round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="contestants whose name holds one of the words")
    parser.add_argument("--middleware", choices=["none", "project"], default="none")
    parser.add_argument("--load", choices=["auto", "wrk", "ours"], default="auto")
    parser.add_argument("--seed", type=int, help="of the order; default another one each time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that the report is written into")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
