"""The folder of an embedded broker, without a broker."""

import os
import subprocess
import sys

import pytest

from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused
from events.embedded.folder import LOG_BYTES, SOCKET_PATH_BYTES, Folder, State
from tests.events.embedded.user_process import ROOT

HOLD_THE_LOCK = """
import sys
from events.embedded.folder import Folder
with Folder(sys.argv[1]).locked("start", 1):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_remembers_where_the_broker_was(tmp_path):
    state = State(port=9, control="/x/control.sock", pid=7)

    Folder(tmp_path).remember(state)

    assert Folder(tmp_path).state() == state


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": "9"}'])
def test_a_damaged_state_is_no_state(tmp_path, text):
    (tmp_path / "broker.json").write_text(text)

    assert Folder(tmp_path).state() is None


def test_a_lock_that_another_process_holds_is_waited_for_and_ends_with_it(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with holder:
        holder.stdout.readline()

        with pytest.raises(BrokerUnavailable, match=r"start\.lock was not free"), Folder(tmp_path).locked("start", 0.1):
            pass

        holder.kill()
    with Folder(tmp_path).locked("start", 30):
        pass


def test_the_control_socket_lies_in_the_folder_where_the_path_is_short(tmp_path):
    here = tmp_path / ("x" * (SOCKET_PATH_BYTES - len(str(tmp_path)) - len("/control.sock") - 1))
    longer = here.with_name(here.name + "x")

    assert Folder(here).control_path() == here / "control.sock"
    elsewhere = Folder(longer).control_path()
    assert len(os.fsencode(elsewhere)) <= SOCKET_PATH_BYTES
    assert Folder(longer).control_path() == elsewhere
    elsewhere.parent.rmdir()


def test_no_path_short_enough_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * SOCKET_PATH_BYTES)))

    with pytest.raises(EmbeddedBrokerRefused, match="EMBEDDED_FOLDER"):
        Folder(tmp_path / ("x" * SOCKET_PATH_BYTES)).control_path()


def test_a_short_path_that_others_may_enter_is_refused(tmp_path):
    longer = tmp_path / ("x" * SOCKET_PATH_BYTES)
    elsewhere = Folder(longer).control_path().parent
    elsewhere.chmod(0o755)

    with pytest.raises(EmbeddedBrokerRefused, match="not a private folder"):
        Folder(longer).control_path()

    elsewhere.rmdir()


def test_the_log_goes_on_until_it_is_long(tmp_path):
    folder = Folder(tmp_path)
    for text in (b"one\n", b"two\n"):
        log = folder.open_log()
        os.write(log, text)
        os.close(log)
    assert folder.log_tail() == "one\ntwo"

    folder.log.write_bytes(b"x" * (LOG_BYTES + 1))
    os.close(folder.open_log())

    assert folder.log_tail() == ""


def test_a_missing_log_has_no_tail(tmp_path):
    assert Folder(tmp_path).log_tail() == ""
