"""Finds the newest Python that this project was tested with.

`PYTHON=...` decides when it is set. Else every Python on PATH, of pyenv and of uv is asked, and the newest one that
works is taken: of those that `make matrix` tests, and only without one of them a newer one. It works when it is a final
release of 3.12 or newer with the parts that Linux distributions leave out.
Any python3 >= 3.8 can run this file.
"""

import glob
import os
import shutil
import subprocess
import sys

OLDEST = (3, 12)
TESTED = ((3, 12), (3, 13))  # what `make matrix` runs and constraints.txt was written for
_NAMES = ("python3.14", "python3.13", "python3.12", "python3", "python")
_QUESTION = (
    "import ctypes, ensurepip, sqlite3, ssl, sys, sysconfig, venv;"
    "assert sys.version_info.releaselevel == 'final' and not sysconfig.get_config_var('Py_GIL_DISABLED');"
    "print(*sys.version_info[:3], sys.executable)"
)
_ADVICE = (
    "Install one: your system's python3.12, python3.13 or newer (on Debian and Ubuntu also the package "
    "python3.x-venv), or `pyenv install 3.13`, or `uv python install 3.13`; or name one with PYTHON=/path/to/python3."
)


class NoPython(Exception):
    """No Python here can run the project; the text says what to install."""


def find(minor=None):
    """Return (version, path) of the best Python that works: `TESTED` before newer; `minor` as "3.12": only that one."""
    named = os.environ.get("PYTHON") if minor is None else None
    if named:
        found = ask(named)
        if not found or found[0] < OLDEST:
            raise NoPython(f"PYTHON={named} does not work here: it is not a complete Python 3.12 or newer. {_ADVICE}")
        return found
    working = [found for found in map(ask, _candidates()) if found and found[0] >= OLDEST]
    if minor is not None:
        working = [found for found in working if "{}.{}".format(*found[0]) == minor]
    if not working:
        raise NoPython(f"No working Python {minor or '3.12 or newer'} was found. {_ADVICE}")
    return max(working, key=lambda found: (is_tested(found[0]), found[0]))  # of equals PATH before pyenv before uv


def is_tested(version):
    """Tell whether the tests run on this version."""
    return version[:2] in TESTED


def ask(command):
    """Return (version, path) of the Python behind `command`, or None when it is incomplete or not there."""
    try:
        answer = subprocess.run(
            [command, "-I", "-c", _QUESTION], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    major, minor, micro, path = answer.stdout.decode().strip().split(" ", 3)
    return (int(major), int(minor), int(micro)), path


def _candidates():
    """Return the commands worth asking, each once, in order of preference."""
    found = [shutil.which(name) for name in _NAMES]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    found += sorted(glob.glob(os.path.join(pyenv, "versions", "3.*", "bin", "python3")), reverse=True)
    found += [_of_uv()]
    return list(dict.fromkeys(path for path in found if path))


def _of_uv():
    """Return the Python that uv knows, if uv is there; it downloads nothing."""
    if not shutil.which("uv"):
        return None
    command = ["uv", "python", "find", "--no-python-downloads", ">=3.12"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return answer.stdout.decode().strip() or None


if __name__ == "__main__":
    try:
        print(find(*sys.argv[1:2])[1])
    except NoPython as error:
        sys.exit(str(error))
