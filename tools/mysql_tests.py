"""`make test-mysql`: the tests of what is written to a database, once more on MariaDB, and Quotes and Likes on it.

    python -m tools.mysql_tests [tests/...]

They stand apart from `make test`, since mysqlclient is compiled where it is installed. TEST_MYSQL=mysql://... names a
server that runs already; else a private MariaDB is started.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tools.install import ROOT, say
from tools.mariadb import find_programs
from tools.server import ServerError

CLIENTS = ("mysqlclient", "libmariadb", "mariadb")
"""The names under which pkg-config knows the C client: one of them is enough."""


def main(arguments):
    """Install the driver if it is missing, and run the tests; return pytest's exit code, or what is missing."""
    if lacking := missing():
        return f"To test on MariaDB or MySQL install these first (Debian's names): {' '.join(lacking)}"
    if not has_driver():
        say("Compiling mysqlclient ...")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.call([*pip, "-c", "constraints.txt", "-e", ".[mysql]"], cwd=str(ROOT)):
            return "mysqlclient could not be installed: what pip says above tells why."
    return subprocess.call([sys.executable, "-m", "pytest", "-m", "mysql", *arguments], cwd=str(ROOT))


def has_driver():
    """Tell whether mysqlclient is installed."""
    return importlib.util.find_spec("MySQLdb") is not None


def missing():
    """Return the Debian packages that are wanted and not there."""
    lacking = [] if os.environ.get("TEST_MYSQL") else _without_server()
    return lacking if has_driver() else lacking + _without_compiler()


def _without_server():
    try:
        find_programs()
    except ServerError:
        return ["mariadb-server"]
    return []


def _without_compiler():
    found = {
        "gcc": any(map(shutil.which, ("cc", "gcc", "clang"))),
        "pkg-config": shutil.which("pkg-config"),
        "libmariadb-dev": shutil.which("pkg-config") and any(map(_is_known, CLIENTS)),
        "python3-dev": (Path(sysconfig.get_path("include")) / "Python.h").exists(),
    }
    return [package for package, is_there in found.items() if not is_there]


def _is_known(client):
    return subprocess.call(["pkg-config", "--exists", client]) == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
