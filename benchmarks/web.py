"""Requests per second and processor time per request of a view that reads a list, under each contestant.

python -m benchmarks.web --database sqlite|postgres [--rounds 5] [--seconds 3] [--only WORD ...]

Each round starts each contestant's server anew, on a core of its own, checks its answer, warms it up, and puts 32
connections on it from another core, where PostgreSQL runs too. One that answers wrong or makes an error is out.
"""

import argparse
import json
import os
import sys
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
    with database_url(options.database) as url:
        seen = environment(url) | {"BENCHMARK_MIDDLEWARE": options.middleware}
        setting = Setting(options, seen, json.loads(prepare(seen)), load, core)
        measured, out = _measure(_entered(options), setting)
    web_report(setting, known, measured=measured, out=out).write(options.results)
    return 1 if out else 0


def _measure(entered, setting):
    """Return ({name: [figures of each round]}, {name: why it is out})."""
    measured, out = {one.name: [] for one in entered}, {}
    for number, one in interleaved(entered, setting.options.rounds, setting.options.seed):
        if one.name in out:
            continue
        try:
            measured[one.name].append(_one(one, setting))
            said = "{requests_per_second:8.0f} req/s {processor_us:7.0f} us".format(**measured[one.name][-1])
        except (Disqualified, LoadFailed) as error:
            out[one.name] = said = str(error)
            del measured[one.name]
        print(f"round {number}  {one.name:45} {said}", file=sys.stderr, flush=True)
    return measured, out


def _one(contestant, setting):
    """Measure one contestant once."""
    options = setting.options
    with serving(contestant.command(), setting.environment | contestant.environment(), setting.core) as served:
        served.wait(contestant.path)
        served.check(contestant.path, setting.expected)
        load = {"connections": options.connections, "by": setting.load}
        put(served.address + contestant.path, seconds=min(WARM_UP_S, options.seconds), **load)
        before = served.processor_seconds()
        done = put(served.address + contestant.path, seconds=options.seconds, **load)
        used = served.processor_seconds() - before
        served.check(contestant.path, setting.expected)
        if done.errors or not done.requests:
            raise Disqualified(f"{done.errors} errors in {done.requests} requests; {served.last_words()}")
    return {
        "requests_per_second": done.requests / done.seconds,
        "processor_us": used / done.requests * 1e6,
        "processor_share": used / done.seconds,
        "p50_ms": done.p50,
        "p99_ms": done.p99,
        "load_busy": done.busy,
    }


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, for each contestant in each round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="contestants whose name holds one of the words")
    parser.add_argument("--middleware", choices=["none", "project"], default="none")
    parser.add_argument("--load", choices=["auto", "wrk", "ours"], default="auto")
    parser.add_argument("--seed", type=int, help="of the order; default another one each time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that the report is written into")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
