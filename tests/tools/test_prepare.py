"""`make run` prepares the database: once, and what stands in the way is one sentence."""

import os
import re
import subprocess
import sys

import pytest

from tools.house import ROOT


def prepared(tmp_path, **environment):
    """Run it in a process of its own, on an empty database."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", **environment}
    command = [sys.executable, "-m", "tools.prepare"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_the_first_run_loads_what_the_demo_needs_and_the_second_repeats_nothing(tmp_path):
    first, second = prepared(tmp_path), prepared(tmp_path)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "migrations" in first.stdout
    assert "Sign in as demo with password" in first.stdout
    assert "migrations" not in second.stdout
    assert re.search(r"python\S* manage.py changepassword demo", second.stdout)
    assert "password" not in second.stdout.replace("changepassword", "").replace("a new password", "")


def test_without_debug_there_is_no_demo_user(tmp_path):
    said = prepared(tmp_path, DJANGO_DEBUG="0", DJANGO_SECRET_KEY="k" * 50, EVENTS_BOOTSTRAP_SERVERS="kafka:9092")

    assert said.returncode == 0, said.stderr
    assert "demo" not in said.stdout


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DJANGO_DEBUG": "0"}, "DJANGO_DEBUG=0 needs DJANGO_SECRET_KEY"),
        ({"DJANGO_DEBUG": "0", "DJANGO_SECRET_KEY": "k" * 50}, "the embedded broker runs with DEBUG only"),
        ({"EVENTS_BOOTSTRAP_SERVER": "kafka:9092"}, "Did you mean 'BOOTSTRAP_SERVERS'?"),
        ({"EVENTS_PARTITIONS": "0"}, "EVENTS['PARTITIONS'] must be a whole number above 0"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}, "The database of DATABASE_URL cannot be used"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(tmp_path, environment, says):
    said = prepared(tmp_path, **environment)

    assert said.returncode == 1
    assert says in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
