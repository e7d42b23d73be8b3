"""The benchmarks run and write their reports; nothing here looks at how fast anything was."""

import json
import subprocess
import sys

import pytest

from tools.house import ROOT


def run(tmp_path, *arguments):
    """Run one benchmark with tiny settings; return what it printed."""
    command = [sys.executable, "-m", *arguments, "--rounds", "1", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_layers_prints_both_tables_and_writes_them(tmp_path):
    printed = run(tmp_path, "benchmarks.layers", "--calls", "20")

    assert "| Lifespan | " in printed
    assert "## Over Django" in printed
    assert (tmp_path / "layers.md").read_text() in printed
    assert len(json.loads((tmp_path / "layers.json").read_text())["measured"]["bare"]["Lifespan"]) == 1


def test_web_asks_each_contestant_and_writes_its_table(tmp_path):
    few = ["--only", "as it is, sync", "granian", "FastAPI, async"]

    printed = run(tmp_path, "benchmarks.web", "--database", "sqlite", "--seconds", "0.3", "--load", "ours", *few)

    assert "| Django as it is, sync view | " in printed
    assert "not measured" in printed  # the goals of those that did not enter
    assert " out: " not in printed
    assert str(tmp_path) not in printed
    assert (tmp_path / "web-sqlite.md").read_text() in printed


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are(tmp_path):
    command = [sys.executable, "-m", "benchmarks.web", "--database", "sqlite", "--only", "tornado"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "Nobody is called so" in done.stderr
    assert "Django as it is, sync view" in done.stderr


@pytest.mark.parametrize("named", ["kafka", "layer"])
def test_a_benchmark_that_there_is_not_is_refused(named):
    done = subprocess.run([sys.executable, "-m", "benchmarks", named], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert "choose from layers, sqlite, postgres, servers" in done.stderr


@pytest.mark.acceptance
def test_servers_plays_a_cell_for_each_wrapper_and_keeps_what_was_seen_before(tmp_path, kafka_server):
    (tmp_path / "results.json").write_text('{"ours: daphne/start": []}')
    command = ["-m", "benchmarks.servers", "--only", "hypercorn-w1/start", "--kafka", kafka_server.address]

    done = subprocess.run(
        [sys.executable, *command, "--results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results.pop("ours: daphne/start") == []
    assert {name.partition(":")[0] for name in results} == {"ours", "Starlette's Mount", "django-asgi-lifespan"}
    assert set(map(tuple, results.values())) == {()}


def test_a_cell_that_there_is_not_is_refused():
    command = [sys.executable, "-m", "benchmarks.servers", "--only", "tornado"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "['tornado']" in done.stderr
