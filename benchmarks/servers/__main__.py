"""`python -m benchmarks.servers`: play the matrix for each wrapper, and write the table into README.md.

A cell passes if it shows what a user wants, whatever the server makes of it: see `WANTED`. With `--only WORD ...` just
the cells whose name has a word are played, and the others keep what was seen before.
"""

import argparse
import json
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
COMPARED = [pair for pair in PAIRS if pair.setup.name in SETUPS and not pair.scenario.setups]
STOPPED, GONE = (0, -15, -2, 1), (*FAILED, 0)
LEFT = ("200", "500")
"""What a client may see of a process whose resources are gone: an answer."""

WANTED = {
    **{name: replace(wanted, exits=(0, -15)) for name, wanted in PROMISED.items()},
    "slow-start": replace(PROMISED["slow-start"], client=("refused, then 200", "200 in the end"), exits=(0, -15)),
    "failed-start": PROMISED["failed-start"],
    "dies-later": replace(PROMISED["dies-later"], client=LEFT + tuple(f"{one}, replaced" for one in LEFT), exits=GONE),
    "fails-later": replace(PROMISED["fails-later"], client=("200", "200, replaced"), exits=GONE),
    "second-ctrl-c": replace(PROMISED["second-ctrl-c"], exits=STOPPED),
}
"""What a user wants of any server. The exit code of a parent is not the wrapper's: 0 passes after a breakdown."""

PATIENCE_S = 20
NOTHING_STARTS = "nothing is ever started"
SIDE_BY_SIDE = 2


def main(arguments=None):
    """Play, print, write."""
    options = _parsed(arguments)
    pairs = [pair for pair in COMPARED if any(word in pair.name for word in options.only)]
    if not pairs:
        return f"No cell has one of {options.only} in its name; they are called so: {COMPARED[0].name}"
    with tempfile.TemporaryDirectory() as folder, _kafka(options.kafka, Path(folder) / "kafka") as address:
        _write(options.results, _play(Path(folder), address, pairs))
    return 0


@contextmanager
def _kafka(address, folder):
    """The address of a Kafka: the one that runs already, or a private one."""
    if address:
        yield address
        return
    kafka = Kafka(folder)
    kafka.start()
    try:
        yield kafka.address
    finally:
        kafka.stop()


def _parsed(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.servers", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", metavar="WORD", nargs="+", default=[""], help="only cells with such a word in the name"
    )
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a Kafka that runs already, instead of a private one")
    parser.add_argument("--results", metavar="FOLDER", type=Path, default=HERE, help="of results.json and README.md")
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


def _write(folder, played):
    """Keep what was seen beside what was seen before; and the table, where there is a page for it."""
    file, page = folder / "results.json", folder / "README.md"
    results = (json.loads(file.read_text()) if file.exists() else {}) | played
    file.write_text(json.dumps(results, indent=1) + "\n")
    if page.exists():
        page.write_text(between(page.read_text(), "comparison", table=table(results), by="benchmarks.servers"))


def table(results):
    """A line for each cell, a column for each wrapper, and how many pass."""
    pairs = [pair for pair in PAIRS if f"ours: {pair.name}" in results]
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
