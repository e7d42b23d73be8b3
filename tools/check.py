"""`make check`: everything that needs no server and ends in seconds, side by side, one line each."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# The longest first: they run side by side.
CHECKS = {
    "types": ["mypy"],
    "house rules": ["pytest", "-q", "--no-header", "--tb=short", "tests/test_architecture.py"],
    "migrations": ["python", "manage.py", "makemigrations", "--check", "--dry-run"],
    "imports": ["lint-imports", "--no-cache"],
    "lint": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
    "secrets and paths": ["python", "-m", "tools.leaks"],
}


def main():
    """Run all checks; return 1 when one failed, after all have run."""
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        failed = [name for name in pool.map(_check, CHECKS) if name]
    print(f"{time.monotonic() - began:.1f} s: " + (f"failed: {', '.join(failed)}" if failed else "all checks passed"))
    return 1 if failed else 0


def _check(name):
    """Run one check and print its line, with its output when it failed; return its name then."""
    began = time.monotonic()
    command = [str(BIN / CHECKS[name][0]), *CHECKS[name][1:]]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    verdict = "FAILED" if done.returncode else "ok"
    line = f"{name:<20}{verdict:<8}{time.monotonic() - began:5.1f} s"
    said = done.stdout.decode(errors="replace").strip() if done.returncode else ""
    print(line + (f"\n{said}\n" if said else ""), flush=True)
    return name if done.returncode else None


if __name__ == "__main__":
    sys.exit(main())
