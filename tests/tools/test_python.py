"""Finding a Python: PYTHON=... first, then the newest that works; else a sentence that says what to install."""

import sys

import pytest

from tools import matrix, python


def test_the_one_that_runs_us_works():
    version, path = python.ask(sys.executable)

    assert version == sys.version_info[:3]
    assert path == sys.executable


def test_what_is_not_there_or_no_python_does_not_work(tmp_path):
    broken = tmp_path / "python3.13"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    assert python.ask(str(tmp_path / "nothing")) is None
    assert python.ask(str(broken)) is None


def test_the_newest_wins_and_of_equals_the_first(monkeypatch):
    answers = {
        "a": ((3, 12, 9), "a"),
        "b": ((3, 13, 0), "b"),
        "c": ((3, 13, 0), "c"),
        "d": ((3, 11, 2), "d"),
        "e": None,
    }
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(python, "_candidates", lambda: [*answers])
    monkeypatch.setattr(python, "ask", answers.get)

    assert python.find() == ((3, 13, 0), "b")
    assert python.find("3.12") == ((3, 12, 9), "a")


def test_one_that_was_tested_wins_over_a_newer_one(monkeypatch):
    answers = {"new": ((3, 14, 1), "new"), "newest": ((3, 15, 0), "newest"), "tested": ((3, 12, 9), "tested")}
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(python, "ask", answers.get)

    monkeypatch.setattr(python, "_candidates", lambda: [*answers])
    assert python.find() == ((3, 12, 9), "tested")

    monkeypatch.setattr(python, "_candidates", lambda: ["new", "newest"])
    assert python.find() == ((3, 15, 0), "newest")
    assert not python.is_tested((3, 15, 0))


def test_what_counts_as_tested_is_what_the_matrix_runs():
    assert {"{}.{}".format(*version) for version in python.TESTED} == set(matrix.PYTHONS)


def test_a_named_one_decides(monkeypatch):
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setattr(python, "_candidates", lambda: [])

    assert python.find()[1] == sys.executable


def test_a_named_one_that_does_not_work_is_refused_with_its_name(monkeypatch):
    monkeypatch.setenv("PYTHON", "/nowhere/python3")

    with pytest.raises(python.NoPython, match="PYTHON=/nowhere/python3 does not work.*Install one"):
        python.find()


def test_without_any_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(python, "_candidates", lambda: [])

    with pytest.raises(python.NoPython, match=r"3\.12 or newer.*python3-?.*uv python install"):
        python.find()
