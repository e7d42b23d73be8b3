"""The control socket's lines, and what the broker answers to lines that are none."""

import json
import socket

import msgspec
import pytest

from events.embedded import control
from events.embedded.client import Use, held_open
from events.embedded.folder import Folder


@pytest.mark.parametrize(
    "said",
    [
        control.Declare(7, {"quotes": 3}, {"likes": ["quotes"]}, ["likes"]),
        control.AskStatus(),
        control.Stop(),
    ],
)
def test_a_request_survives_the_way(said):
    assert control.request(control.line(said)) == said


@pytest.mark.parametrize(
    "said",
    [
        control.Welcome("127.0.0.1:9", {"likes": ["quotes"]}),
        control.Notice("look"),
        control.Status(7, "127.0.0.1:9", 1.5, [8], {"quotes": 3}, {}),
        control.Stopping(),
        control.Refused("no"),
    ],
)
def test_an_answer_survives_the_way(said):
    assert control.answer(control.line(said)) == said


@pytest.mark.parametrize(
    "text",
    [
        b"hello",
        b"{}",
        b'{"type": "Explode"}',
        b'{"type": "Declare", "pid": "seven"}',
        b'{"type": "Declare", "pid": 7, "topics": {"quotes": 0}}',
        b'{"type": "Declare", "pid": 7, "surprise": 1}',
    ],
)
def test_what_is_no_request_is_an_error(text):
    with pytest.raises(msgspec.MsgspecError):
        control.request(text)


def test_the_broker_refuses_nonsense_and_goes_on(folder):
    with held_open(folder, Use(topics={"quotes": 2})), socket.socket(socket.AF_UNIX) as raw:
        raw.connect(Folder(folder).state().control)
        raw.settimeout(30)
        lines = raw.makefile("rb")

        raw.sendall(b'{"type": "Declare", "pid": 7, "topics": {"quotes": 0}}\n{"type": "AskStatus"}\n')

        assert "topics" in json.loads(lines.readline())["why"]
        assert json.loads(lines.readline())["topics"] == {"quotes": 2}
        lines.close()


def test_a_line_without_end_is_cut_off(folder):
    with held_open(folder, Use()), socket.socket(socket.AF_UNIX) as raw:
        raw.connect(Folder(folder).state().control)
        raw.settimeout(30)

        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            raw.sendall(b"x" * 20 * control.LINE_BYTES)


def test_a_status_reads_well():
    found = control.Status(7, "127.0.0.1:9", 1.5, [8, 9], {"quotes": 3}, {"likes": ["quotes"]})

    assert dict(found.as_lines()) == {
        "address": "127.0.0.1:9",
        "process": "7",
        "up": "2 s",
        "used by": "process 8, process 9",
        "topics": "quotes (3 partitions)",
        "groups": "likes",
    }
