"""`python -m benchmarks.servers`: play the matrix for each wrapper, and write the table into README.md.

A cell passes if it shows what a user wants, whatever the server makes of it: see `WANTED`. With `--only WORD` just the
cells whose name has the word are played, and nothing is written.
"""

import argparse
import json
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.acceptance.servers.expected import FAILED, PROMISED
from tests.acceptance.servers.pairs import PAIRS, Ground, migrated
from tools.kafka import Kafka
from tools.servers import between

HERE = Path(__file__).parent
WRAPPERS = {
    "ours": "tests.acceptance.servers.probe.asgi:application",
    "Starlette's Mount": "benchmarks.servers.starlette_mount:application",
    "django-asgi-lifespan": "benchmarks.servers.django_asgi_lifespan:application",
}
SETUPS = ("uvicorn", "hypercorn-w1", "hypercorn-w2", "gunicorn-uvicorn", "granian", "daphne")
STOPPED = (0, -15, -2, 1)
WANTED = {
    **{name: replace(wanted, exits=(0, -15)) for name, wanted in PROMISED.items()},
    "failed-start": PROMISED["failed-start"],
    "dies-later": replace(PROMISED["dies-later"], client=("200", "200, replaced"), exits=(*FAILED, 0)),
    "second-ctrl-c": replace(PROMISED["second-ctrl-c"], exits=STOPPED),
}
"""What a user wants of any server. The exit code of a parent is not the wrapper's: 0 passes after a breakdown."""

PATIENCE_S = 10
NOTHING_STARTS = "nothing is ever started"
SIDE_BY_SIDE = 2


def main(arguments=None):
    """Play, print, write."""
    options = _parsed(arguments)
    pairs = [pair for pair in PAIRS if pair.setup.name in SETUPS and (options.only or "") in pair.name]
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka")
        kafka.start()
        try:
            results = _play(Path(folder), kafka.address, pairs)
        finally:
            kafka.stop()
    if not options.only:
        _write(pairs, results)


def _parsed(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.servers", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="WORD")
    return parser.parse_args(arguments)


def _play(folder, kafka, pairs):
    results = {}
    database = migrated(folder)
    for wrapper, application in WRAPPERS.items():
        ground = Ground(folder / application.partition(":")[0], kafka, database, application)
        for name, words in _verdicts(ground, pairs).items():
            results[f"{wrapper}: {name}"] = words
            print(f"{wrapper:22} {name:36} {'; '.join(words) or 'passes'}", flush=True)
    return results


def _verdicts(ground, pairs):
    """What is wrong with each cell. Where a server starts nothing, the other scenarios are not tried."""
    starts = [pair for pair in pairs if pair.scenario.name == "start"]
    told = _side_by_side(ground, starts)
    idle = {pair.setup: told[pair.name] for pair in starts if told[pair.name] == [NOTHING_STARTS]}
    told |= {pair.name: idle[pair.setup] for pair in pairs if pair.setup in idle}
    return told | _side_by_side(ground, [pair for pair in pairs if pair.name not in told])


def _side_by_side(ground, pairs):
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip([pair.name for pair in pairs], pool.map(partial(_verdict, ground), pairs), strict=True))


def _verdict(ground, pair):
    """What is wrong with a cell; nothing if it passes."""
    try:
        return WANTED[pair.scenario.name].problems(ground.run(pair, patience=PATIENCE_S))
    except AssertionError as error:
        words = str(error).partition("\n")[0]
        return [NOTHING_STARTS if "never said 'open'" in words else words]


def _write(pairs, results):
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page = HERE / "README.md"
    page.write_text(between(page.read_text(), "comparison", table=table(pairs, results), by="benchmarks.servers"))


def table(pairs, results):
    """A line for each cell, a column for each wrapper, and how many pass."""
    head = f"| cell | {' | '.join(WRAPPERS)} |\n|---|{'---|' * len(WRAPPERS)}"
    lines = [
        f"| {pair.name} | {' | '.join(_mark(results[f'{one}: {pair.name}']) for one in WRAPPERS)} |" for pair in pairs
    ]
    passed = [sum(not results[f"{one}: {pair.name}"] for pair in pairs) for one in WRAPPERS]
    return "\n".join([head, *lines, f"| **of {len(pairs)} pass** | {' | '.join(map(str, passed))} |"])


def _mark(words):
    return "; ".join(words).replace("|", "/") or "passes"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
