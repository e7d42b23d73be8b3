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
    assert "choose from layers, sqlite, postgres" in done.stderr
