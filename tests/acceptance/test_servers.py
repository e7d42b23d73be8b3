"""The matrix: every server in every way it is started, through every scenario, on a real Kafka.

`make test` runs the short part, `make acceptance` all; `python -m tools.servers` writes what was seen into the papers.
Two cells run side by side: most of a cell is waiting for processes.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from tests.acceptance.servers.cell import END_S, KILLED
from tests.acceptance.servers.expected import expected
from tests.acceptance.servers.pairs import PAIRS, Ground, migrated
from tests.acceptance.servers.process import ROOT

LONG = os.environ.get("ACCEPTANCE") == "long"
SIDE_BY_SIDE = 2
FOREVER_S = 8  # for what is expected never to end
RESULTS = ROOT / ".run" / "servers.json"


@pytest.fixture(scope="module")
def ground(kafka_server, tmp_path_factory):
    """What the cells stand on."""
    folder = tmp_path_factory.mktemp("servers")
    return Ground(folder, kafka_server.address, migrated(folder))


@pytest.fixture(scope="module")
def seen(request, ground):
    """What was seen in each chosen cell, as futures by its name. All begin at once, in order, two at a time."""
    chosen = [item.callspec.params["pair"] for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        futures = {pair.name: pool.submit(ground.run, pair, patience=_patience(pair)) for pair in chosen}
        yield futures
        pool.shutdown(cancel_futures=True)
    if LONG:
        _keep({name: asdict(future.result()) for name, future in futures.items() if not _failed(future)})


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if LONG or pair.short], ids=lambda pair: pair.name)
def test_a_server(pair, seen, ground):
    result = seen[pair.name].result()

    problems = expected(pair).problems(result)
    assert problems == [], "\n".join([*problems, ground.said(pair)])


def _patience(pair):
    return FOREVER_S if KILLED in expected(pair).exits else END_S


def _failed(future):
    return future.cancelled() or future.exception() is not None


def _keep(results):
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(before | results, indent=1))
