"""Makes `.venv` and keeps it in step with pyproject.toml and constraints.txt.

    python3 -m tools.install run     what `make run` needs
    python3 -m tools.install dev     that, and the tools of the developer

A stamp in the environment holds a digest of everything that decides its contents, so that the second call costs
milliseconds. Any python3 >= 3.8 can run this file.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools import python

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
EXTRAS = {"run": ".[embedded,postgres]", "dev": ".[embedded,servers,postgres]"}
PIP_WITH_GROUPS = (25, 1)


class Failed(Exception):
    """An installation ended early; the text says at which step and what pip said last."""


def ensure(group, venv=VENV, minor=None, constraints=None):
    """Make `venv` hold the project and a dependency group ("run" or "dev"); return the path of its Python."""
    constraints = constraints or ROOT / "constraints.txt"
    interpreter = venv / "bin" / "python"
    if _is_done(group, venv, constraints):
        return interpreter
    started = time.monotonic()
    _make(venv, minor)
    _install(interpreter, group, constraints)
    (venv / f"installed-{group}").write_text(_digest(group, venv, constraints))
    say(f"Installed in {time.monotonic() - started:.0f} s.")
    return interpreter


def say(line):
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


def _is_done(group, venv, constraints):
    if not (venv / "bin" / "python").exists() or _wants_another_python(venv):
        return False
    digest = {name: _digest(name, venv, constraints) for name in EXTRAS}
    stamps = {name: venv / f"installed-{name}" for name in EXTRAS}
    enough = ["dev"] if group == "dev" else ["dev", "run"]  # who has the tools of the developer has the rest
    return any(stamps[name].exists() and stamps[name].read_text() == digest[name] for name in enough)


def _digest(group, venv, constraints):
    """Return a digest of what decides the contents of an environment, its Python and its place included."""
    parts = [EXTRAS[group], str(venv), _version_of(venv), constraints.read_text()]
    parts.append((ROOT / "pyproject.toml").read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _version_of(venv):
    """Return the version of the environment's Python as venv wrote it down, or ""."""
    settings = venv / "pyvenv.cfg"
    lines = settings.read_text().splitlines() if settings.exists() else []
    return next((line.split("=")[1].strip() for line in lines if line.startswith("version")), "")


def _wants_another_python(venv):
    """Tell whether PYTHON=... names another version than this environment's."""
    if not os.environ.get("PYTHON") or venv != VENV:
        return False
    return "{}.{}.{}".format(*python.find()[0]) != _version_of(venv)


def _make(venv, minor):
    """Make the environment, unless a working one is there."""
    there = python.ask(str(venv / "bin" / "python"))
    if there and there[0] >= python.OLDEST and not _wants_another_python(venv):
        return
    version, path = python.find(minor)
    say("Making {} with Python {}.{}.{} ({}).".format(_short(venv), *version, path))
    if not python.is_tested(version):
        say("The tests of this project run on Python 3.12 and 3.13 only; a newer one usually works too.")
    shutil.rmtree(venv, ignore_errors=True)
    _run([path, "-m", "venv", str(venv)], "making the virtual environment")


def _install(interpreter, group, constraints):
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check"]
    said = subprocess.run([*pip, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().split()[1]
    if tuple(int(part) for part in said.split(".")[:2]) < PIP_WITH_GROUPS:
        _run([*pip, "install", "--quiet", "--upgrade", "pip"], "upgrading pip")
    say(f"Installing the project and what it needs ({group}) into {_short(interpreter.parent.parent)} ...")
    wanted = ["-c", str(constraints), "-e", EXTRAS[group], "--group", group]
    _run([*pip, "install", "--quiet", *wanted], "installing the project")


def _run(command, what):
    """Run a command in the checkout; keep quiet unless it fails."""
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        last = "\n".join(done.stdout.decode(errors="replace").strip().splitlines()[-15:])
        raise Failed(f"{last}\n{what[0].upper()}{what[1:]} failed (the lines above are the last that it said).")


def _short(path):
    return os.path.relpath(str(path), str(ROOT))


if __name__ == "__main__":
    try:
        ensure(*sys.argv[1:2] or ["dev"])
    except (Failed, python.NoPython) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped; the next run goes on with it.")
