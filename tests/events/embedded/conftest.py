"""A folder for an embedded broker, and processes that use it. All marked `embedded`; nothing is left running."""

import contextlib
import logging
import os
import signal
from pathlib import Path

import pytest

from events.embedded.client import status, stop
from events.embedded.folder import Folder
from tests.brokers import mock_cluster  # noqa: F401  (a fixture)
from tests.events.embedded.user_process import User, runs
from tests.waiting import until_sync


@pytest.fixture
def folder(tmp_path):
    """The folder of an embedded broker, which is ended after the test."""
    pytest.importorskip("confluent_kafka")
    path = tmp_path / "embedded"
    yield path
    last = Folder(path).state()
    if last and runs(last.pid):
        stop(path)
        with contextlib.suppress(ProcessLookupError):
            os.kill(last.pid, signal.SIGTERM)
        until_sync(lambda: not runs(last.pid))
    assert status(path) is None


@pytest.fixture
def user(folder):
    """Start processes that use the folder's broker: `user(topics=..., groups=..., linger_s=...)`."""
    started = []

    def start(**use):
        started.append(User(folder, **{"linger_s": 0.5, **use}))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(autouse=True)
def _warnings_are_caught(caplog):
    caplog.set_level(logging.WARNING, "events.embedded")


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents and {"folder", "mock_cluster"} & set(item.fixturenames):
            item.add_marker("embedded")
