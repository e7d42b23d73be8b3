"""What holds for every test: a clean environment, the servers, and no silent skips in CI."""

import os
import re
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers", "tests.databases"]

# What a developer exported for `make run` must not reach a test. The tests' own addresses are TEST_KAFKA and
# TEST_POSTGRES. DJANGO_SETTINGS_MODULE was set by pytest itself (--ds in pyproject.toml), so it stays.
for name in [*os.environ]:
    if re.match(r"(DATABASE_URL|PORT|EVENTS_.*|DJANGO_(?!SETTINGS_MODULE).*)$", name):
        del os.environ[name]


# In the background of a shell these are ignored, and what we start would inherit that: tests that send them would hang.
for signum, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, usual)

# What a property says holds however long an example takes: the machine may stand still in the middle of one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark each test by the servers that it asks for, so that -m "not kafka" needs no care.

    Those on MySQL need a driver that is compiled: they run only where -m names them (make test-mysql).
    """
    for item in items:
        for server in ("kafka", "postgres", "mysql"):
            if f"{server}_server" in getattr(item, "fixturenames", ()):
                item.add_marker(server)
    if "mysql" not in config.option.markexpr:
        kept = [item for item in items if not item.get_closest_marker("mysql")]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def _skipped_in_ci(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return len(skipped) if os.environ.get("CI") == "true" else 0


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """In CI a skipped test is a failure: there, every server can be had."""
    if _skipped_in_ci(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """Say why the run failed when skips are the only reason."""
    if skipped := _skipped_in_ci(config):
        terminalreporter.write_line(f"CI=true: {skipped} skipped in CI, which counts as failed", red=True)
