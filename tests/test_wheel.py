"""The wheel: it holds the two packages and nothing else, and imports without any extra."""

import os
import re
import subprocess
import sys
import zipfile

import pytest

from tools.house import ROOT

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of the wheel, built from the checkout as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_it_holds_lifespan_and_events_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"lifespan", "events"}


def test_it_holds_every_tracked_file_of_the_two(wheel):
    listed = subprocess.run(["git", "ls-files", "lifespan", "events"], cwd=ROOT, capture_output=True, text=True)
    tracked = {name for name in listed.stdout.split() if (ROOT / name).exists()}

    assert tracked - set(zipfile.ZipFile(wheel).namelist()) == set()
    assert {"lifespan/py.typed", "events/py.typed", "events/migrations/0001_initial.py"} <= tracked


def test_its_papers_name_the_licence_and_no_address_of_an_index(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()

    assert "License-Expression: BSD-3-Clause" in metadata
    assert not re.search(r"Requires-Dist:.*(@|://)", metadata)
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_it_imports_in_an_empty_environment_without_the_extras(wheel, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "PYTHON"))}
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True)

    code = "import lifespan, events; print(lifespan.__file__, events.__file__)"
    said = subprocess.run(
        [python, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 0, said.stderr
    assert said.stdout.count(str(tmp_path)) == 2
