"""`make test-mysql` says what it lacks, and nothing else runs what it chooses."""

import subprocess
import sys

import pytest

from tools import mysql_tests
from tools.mysql_tests import ROOT


@pytest.fixture
def _bare(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TEST_MYSQL", raising=False)
    monkeypatch.setattr(mysql_tests, "has_driver", lambda: False)


@pytest.mark.usefixtures("_bare")
def test_what_is_missing_is_named_by_its_packages(monkeypatch):
    monkeypatch.setattr(mysql_tests, "find_programs", _no_server)

    said = mysql_tests.main([])

    assert all(package in said for package in ("mariadb-server", "gcc", "pkg-config", "libmariadb-dev"))


@pytest.mark.usefixtures("_bare")
def test_with_a_server_of_somebody_elses_none_is_wanted(monkeypatch):
    monkeypatch.setattr(mysql_tests, "find_programs", _no_server)
    monkeypatch.setenv("TEST_MYSQL", "mysql://shop@db/")

    assert "mariadb-server" not in mysql_tests.missing()


def _no_server():
    raise mysql_tests.ServerError("none")


def test_the_tests_on_mysql_run_only_where_they_are_asked_for():
    def chosen(*options):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
        return subprocess.run([*command, "tests/events/test_lease.py"], cwd=ROOT, capture_output=True, text=True).stdout

    assert "[mysql]" not in chosen()
    assert "[mysql]" not in chosen("-m", "not kafka")
    assert "[mysql]" in chosen("-m", "mysql")
