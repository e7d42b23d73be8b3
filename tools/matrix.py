"""`make matrix`: the tests that need no server, on each Python and Django that we support.

ONLY=3.12-5.2 runs one corner. Each corner has an environment of its own below `.run/matrix`, with the constraints of
the project but for Django's. Any python3 >= 3.8 can run this file.
"""

import os
import subprocess
import sys

from tools import install, python

PYTHONS = ("3.12", "3.13")
DJANGOS = ("5.2", "6.0", "6.1")
HOME = install.ROOT / ".run" / "matrix"
WITHOUT_SERVERS = "not kafka and not postgres and not browser and not acceptance"


def main():
    """Run the corners; return 1 when one failed, after all have run."""
    corners = [f"{minor}-{django}" for minor in PYTHONS for django in DJANGOS]
    only = os.environ.get("ONLY")
    if only and only not in corners:
        return f"ONLY={only} is not a corner of the matrix; these are: {' '.join(corners)}"
    failed = [corner for corner in ([only] if only else corners) if not _passes(corner)]
    return f"failed: {' '.join(failed)}" if failed else 0


def _passes(corner):
    """Install and test one corner; say what failed."""
    minor, django = corner.split("-")
    install.say(f"== Python {minor}, Django {django}")
    try:
        interpreter = install.ensure("dev", HOME / corner, minor, _constraints(corner, django))
    except (install.Failed, python.NoPython) as error:
        install.say(str(error))
        return False
    command = [str(interpreter), "-m", "pytest", "-q", "-m", WITHOUT_SERVERS, "-p", "no:cacheprovider"]
    return subprocess.call(command, cwd=str(install.ROOT)) == 0


def _constraints(corner, django):
    """Write the project's constraints with this corner's Django."""
    HOME.mkdir(parents=True, exist_ok=True)
    lines = (install.ROOT / "constraints.txt").read_text().splitlines()
    kept = [line for line in lines if not line.lower().startswith("django==")]
    path = HOME / f"{corner}.txt"
    path.write_text("\n".join([*kept, f"django=={django}.*"]) + "\n")
    return path


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
