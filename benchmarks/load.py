"""A load on one address: many connections that ask again as soon as they are answered, from a process of its own.

`wrk` where it is installed (Debian: wrk), else `benchmarks.asking`, which is ours and slower. Both are checked: a load
generator that is the bottleneck measures itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


class LoadFailed(Exception):
    """The load generator did not run; the text has what it said."""


@dataclass(frozen=True)
class Load:
    """What came back. Latencies in milliseconds; `busy` is the share of one core that the generator itself took."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float
    busy: float


def generator(wanted="auto"):
    """Return the name of the generator to use: "wrk" or "ours"."""
    if wanted == "wrk" and not shutil.which("wrk"):
        raise LoadFailed("There is no wrk here (Debian: apt-get install wrk); --load ours does without.")
    return "wrk" if wanted in ("auto", "wrk") and shutil.which("wrk") else "ours"


def put(url, *, connections, seconds, by):
    """Put the load on for so many seconds (whole ones with wrk). Raises `LoadFailed`."""
    if by == "wrk":
        command = [
            "wrk",
            "--latency",
            "--timeout",
            "30s",
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            url,
        ]
    else:
        command = [sys.executable, "-m", "benchmarks.asking", url, str(connections), str(seconds)]
    said, used = _run(command)
    figures = _read_wrk(said) if by == "wrk" else json.loads(said)
    return Load(**figures, busy=used / figures["seconds"])


def _run(command):
    """Run it; return what it said, and the seconds of processor time that it took."""
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    after = os.times()
    if done.returncode:
        raise LoadFailed(done.stdout.strip())
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, used


def _read_wrk(said):
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said)
    if not done:
        raise LoadFailed(said)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return {
        "requests": int(done[1]),
        "seconds": float(done[2]) * _UNITS[done[3]] / 1000,
        "errors": int(wrong[1] if wrong else 0) + sum(map(int, broken.groups() if broken else ())),
        "p50": _latency(said, 50),
        "p99": _latency(said, 99),
    }


def _latency(said, percent):
    found = re.search(rf"\b{percent}%\s+([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0
