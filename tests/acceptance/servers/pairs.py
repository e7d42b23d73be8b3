"""The cells of the matrix: every set-up with every scenario that fits it; and how one is run."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.servers.cell import END_S, Cell
from tests.acceptance.servers.cluster import Names
from tests.acceptance.servers.process import LOG, ROOT, SIGNALLED, Served
from tests.acceptance.servers.scenarios import SCENARIOS, Scenario
from tests.acceptance.servers.setups import APPLICATION, SETUPS, Setup
from tools.server import free_port

SETTINGS = "tests.acceptance.servers.probe.settings"
AWAY = {"PROBE_SEND_TIMEOUT_S": "3"}  # what cannot be sent says so soon; with a Kafka a busy machine may take as long


@dataclass(frozen=True)
class Pair:
    """A set-up and a scenario."""

    setup: Setup
    scenario: Scenario

    @property
    def name(self):
        """As pytest and the documents name it."""
        return f"{self.setup.name}/{self.scenario.name}"

    @property
    def short(self):
        """Whether it has a part in `make test`."""
        return self.setup.short and self.scenario.short


PAIRS = [Pair(setup, one) for one in SCENARIOS for setup in SETUPS if one.fits(setup)]


@dataclass(frozen=True)
class Ground:
    """What cells stand on: a folder, Kafka's address, a migrated SQLite file to copy, the application under test."""

    folder: Path
    kafka: str
    database: Path
    application: str = APPLICATION

    def run(self, pair, *, patience=END_S):
        """Start the server, play the scenario, stop it within `patience` seconds; return what was `Seen`."""
        folder = self._place(pair)
        folder.mkdir(parents=True)
        shutil.copy(self.database, folder / "db.sqlite3")
        names = Names(self.kafka) if pair.scenario.kafka else None
        port = free_port()
        served = Served(
            pair.setup.arguments(port, folder, self.application),
            port,
            folder=folder,
            environment=self._environment(pair, names, folder),
        )
        cell = Cell(pair.setup, served, names, folder / "db.sqlite3", patience)
        try:
            return cell.seen(pair.scenario.do(cell))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{served.text}") from error
        finally:
            served.kill()

    def said(self, pair):
        """What the server of a pair that was run has printed."""
        return (self._place(pair) / LOG).read_text(errors="replace")

    def _place(self, pair):
        return self.folder / pair.name.replace("/", "-")

    def _environment(self, pair, names, folder):
        kafka = {"EVENTS_BOOTSTRAP_SERVERS": names.address, "EVENTS_PREFIX": names.prefix} if names else AWAY
        return {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "PROBE_DATABASE": str(folder / "db.sqlite3"),
            "PROBE_APPLICATION": self.application,
            "PROBE_WATCHED": str(folder),
            "PROBE_SIGNALLED": str(folder / SIGNALLED),
            "EVENTS_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
            **kafka,
            **pair.setup.environment,
            **dict(pair.scenario.environment),
        }


def migrated(folder):
    """A SQLite file with the tables of `events`."""
    database = folder / "db.sqlite3"
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity=0", f"--settings={SETTINGS}"],
        cwd=ROOT,
        env={"PROBE_DATABASE": str(database), "PYTHONPATH": str(ROOT), "EVENTS_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        check=True,
    )
    return database
