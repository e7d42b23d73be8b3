"""`make clean`: stops our servers, then removes what git ignores and what can be made again."""

import shutil
import sys

from tools.install import ROOT
from tools.kafka import HOME as KAFKA
from tools.kafka import Kafka
from tools.postgres import HOME as POSTGRES
from tools.postgres import Postgres
from tools.server import ServerError

FOLDERS = (".venv", ".run", "build", "dist", "staticfiles", "htmlcov")
CACHES = (".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache")


def main():
    """Remove it all; return a sentence when a server could not be stopped."""
    try:
        Kafka(KAFKA).stop()
        if POSTGRES.exists():
            Postgres(POSTGRES).remove()
    except ServerError as error:
        return str(error)
    for name in FOLDERS + CACHES:
        shutil.rmtree(str(ROOT / name), ignore_errors=True)
    for path in [*ROOT.glob("*.sqlite3*"), *ROOT.glob(".coverage*")]:
        path.unlink()
    for path in ROOT.rglob("__pycache__"):
        shutil.rmtree(str(path), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
