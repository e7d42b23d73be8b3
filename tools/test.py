"""`make test`: all tests with branch coverage, then a short table for `lifespan` and `events/core`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = "lifespan/*,events/core/*"


def main():
    """Run the tests; return pytest's exit code. Its summary is the last thing printed."""
    data = ROOT / ".run" / "coverage"
    data.parent.mkdir(exist_ok=True)
    environment = {**os.environ, "COVERAGE_FILE": str(data)}
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *sys.argv[1:]]
    code = subprocess.call(command, cwd=str(ROOT), env=environment)
    print("\nCoverage of lifespan and events/core, with branches (files at 100 % are left out):", flush=True)
    report = [sys.executable, "-m", "coverage", "report", f"--include={TABLE}"]
    subprocess.call(report, cwd=str(ROOT), env=environment)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
