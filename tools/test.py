"""`make test`: all tests with branch coverage, which must be whole for `lifespan` and `events/core`.

    python -m tools.test             all tests, and the floor
    python -m tools.test tests/...   some tests, and the table only

The table stands before pytest's summary, which is the last thing printed.
"""

import io
import sys
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parent.parent
WHOLE = ["lifespan/*", "events/core/*"]


class Floor:
    """The part of a pytest run that measures: it ends before the summary, and fails a run that leaves a gap."""

    def __init__(self, measured, demanded):
        self.measured, self.demanded = measured, demanded
        self.table, self.is_low = "", False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        """Stop measuring; a run that passed fails when the floor is not reached."""
        self.measured.stop()
        self.measured.save()
        table = io.StringIO()
        try:
            self.is_low = self.measured.report(include=WHOLE, file=table, precision=2) < 100
        except coverage.exceptions.NoDataError:
            self.is_low = True
        self.table = table.getvalue()
        if self.demanded and self.is_low and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        """Print the table, and why the run failed."""
        terminalreporter.section("coverage of lifespan and events/core, with branches; what is whole is left out")
        terminalreporter.write(self.table)
        if self.demanded and self.is_low:
            terminalreporter.write_line("It must be 100 %: test what is missing, or take it out.", red=True)


def main(arguments):
    """Run the tests; return pytest's exit code."""
    data = ROOT / ".run" / "coverage"
    data.parent.mkdir(exist_ok=True)
    measured = coverage.Coverage(data_file=str(data), config_file=str(ROOT / "pyproject.toml"))
    measured.erase()
    measured.start()
    return pytest.main(["--rootdir", str(ROOT), *arguments], plugins=[Floor(measured, demanded=not arguments)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
