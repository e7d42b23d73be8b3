"""Type checkers see events and subscribers as they are: mypy strict and pyright's engine over a user's file."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

USER_CODE = Path(__file__).parent / "user_code.py"
ROOT = Path(__file__).parents[2]


def mypy(folder):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={folder}", USER_CODE]
    output = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    return {int(line) for line in re.findall(r"user_code\.py:(\d+): error", output)}, output


def pyright(folder):
    project = folder / "pyrightconfig.json"
    settings = {"include": [str(USER_CODE)], "typeCheckingMode": "standard", "extraPaths": [str(ROOT)]}
    project.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", project]
    output = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    found = json.loads(output)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}, output


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_mistakes_in_a_users_file_are_found_and_nothing_else(checker, tmp_path):
    lines = USER_CODE.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong:" in line}

    found, output = checker(tmp_path)

    assert {nearest(line, wrong) for line in found} == wrong, output
    assert all(0 <= line - nearest(line, wrong) <= 1 for line in found), output


def nearest(line, wrong):
    """Checkers report a decorator's mistake at the decorator or at the `def` below it."""
    return max((one for one in wrong if one <= line), default=0)
