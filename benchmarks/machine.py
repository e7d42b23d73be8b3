"""What a figure depends on besides the code: versions, processor, load, date, command line."""

import datetime
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LOAD_BEFORE = os.getloadavg()[0]  # read before our own work is in it


def facts(packages):
    """Return the facts as a dict of names and texts; `packages` are those whose versions matter."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command_line(),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}",
        "load before": f"{_LOAD_BEFORE:.1f}",
        "Python": platform.python_version(),
        **{package: found for package in packages if (found := _version(package))},
    }


def command_line():
    """Return how this process was started, without places of this machine."""
    main = sys.modules["__main__"].__spec__
    return re.sub(r" --\S+ /\S+", "", " ".join(["python -m", main.name if main else "?", *sys.argv[1:]]))


def was_busy():
    """Tell whether others used the machine: then only the ratios are worth reading."""
    return _LOAD_BEFORE > 0.7


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit():
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "no git here"


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None
