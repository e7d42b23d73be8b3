"""Finds in the files that git knows what must not be published: secrets, paths of one machine, registry hosts.

Each pattern is written so that it does not match itself.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PATTERNS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY",
    "an access token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|gl" r"pat-[A-Za-z0-9_-]{20})",
    "a cloud key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}",
    "an API key": r"\b(?:sk-[A-Za-z0-9_-]{32}|xox[abpr]-[0-9A-Za-z-]{20}|py" r"pi-[A-Za-z0-9_-]{40})",
    "a password in an address": r"\b(?:https?|kafka|redis|amqp)://[^\s/:@\"'{}<>]+:[^\s/@\"'{}<>$]+@",
    "a path of one machine": r"(?<![\w.~})-])/(?:root|home/[a-z]\w*|Users/[A-Za-z]\w*|work|tmp/bash\w*)(?:/|\b)(?!>)",
    "a registry host": r"\b(?:p[y]pi\.org|pythonh[o]sted\.org|regi[s]try\.npmjs|rep[o]1?\.maven|deb\.debi[a]n\.org)",
}
LOCKED_ADDRESS = re.compile(r"(?:https?|git\+\w+)://")


def main():
    """Print each finding as file:line; return 1 when there is one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout
    found = [finding for name in listed.decode().split("\0") if name for finding in search(ROOT / name)]
    print("\n".join(found) if found else "nothing found")
    return 1 if found else 0


def search(path):
    """Return what is found in one file, a line each; a file that is not text, or not there, holds nothing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for number, line in enumerate(lines, 1):
        kinds = [kind for kind, pattern in PATTERNS.items() if re.search(pattern, line)]
        if _is_lock_file(path) and LOCKED_ADDRESS.search(line):
            kinds.append("an address in a lock file")
        found += [f"{path}:{number}: {kind}" for kind in kinds]
    return found


def _is_lock_file(path):
    return path.name == "constraints.txt" or path.suffix == ".lock" or path.name.endswith("-lock.json")


if __name__ == "__main__":
    sys.exit(main())
