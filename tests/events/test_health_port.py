"""The port for health, asked with bare sockets: what it answers, and what it bears."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest

from events import health_port
from events.core.health import Part
from events.health import health_of
from events.health_port import MOST_BYTES, MOST_CONNECTIONS, PortTaken, answering_health
from lifespan import NotStarted, Run


@pytest.fixture
async def run():
    run = Run()
    await run.start()
    yield run
    await run.finish()


@pytest.fixture
async def port(run, caplog):
    caplog.set_level("INFO", "events.health")
    async with answering_health(run, host="127.0.0.1", port=0):
        yield int(caplog.messages[-1].rpartition(":")[2].split("/")[0])


@asynccontextmanager
async def connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def said(port, *pieces):
    """Send bytes and return all that comes back, as status, headers and content."""
    async with connection(port) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 30)
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return int(status.split(" ")[1]) if answer else None, dict(one.split(": ") for one in headers), content


async def get(port, target, method="GET"):
    status, headers, content = await said(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return status, headers, content


@pytest.mark.parametrize("target", ["/health", "/health/", "/health/live", "/health/ready/", "/health/?full=1"])
async def test_a_process_that_works_answers_200(port, target):
    status, headers, content = await get(port, target)

    assert (status, json.loads(content)) == (200, {"state": "running", "why": [], "parts": {}})
    assert headers["Connection"] == "close"
    assert headers["Cache-Control"] == "no-store"
    assert int(headers["Content-Length"]) == len(content)


async def test_a_part_that_waits_is_alive_but_not_ready(run, port):
    health_of(run).parts["group shop"] = lambda: Part("group shop", "waiting", 0.0, "nobody answers")

    live, ready = (await get(port, "/health/live"))[0], await get(port, "/health/ready")

    assert (live, ready[0]) == (200, 503)
    assert json.loads(ready[2])["why"] == ["group shop is waiting: nobody answers"]


async def test_it_goes_on_answering_while_the_process_drains(run, port):
    run.draining.set()

    answers = [(await get(port, f"/health/{probe}"))[0] for probe in ("live", "ready", "")]

    assert answers == [200, 503, 503]


async def test_a_process_that_failed_is_not_alive(run, port):
    run.problems.append("relay: broke")

    assert (await get(port, "/health/live"))[0] == 503
    run.problems.clear()


async def test_head_has_the_headers_alone(port):
    status, headers, content = await get(port, "/health/live", method="HEAD")

    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /health/../etc HTTP/1.1\r\n\r\n", 404),
        (b"POST /health/live HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET /health/live\r\n\r\n", 400),
        (b"GET /health/live FTP/1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\xff\xfe\x00 \x80 HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nX: " + b"x" * (MOST_BYTES + 1) + b"\r\n\r\n", 431),
        (b"x" * (MOST_BYTES * 4), 431),
    ],
)
async def test_what_is_no_such_request_gets_its_status_and_does_no_harm(port, sent, status):
    assert (await said(port, sent))[0] == status
    assert (await get(port, "/health/live"))[0] == 200


async def test_405_says_what_is_allowed(port):
    assert (await get(port, "/health/", method="DELETE"))[1]["Allow"] == "GET, HEAD"


async def test_a_request_may_come_in_pieces(port):
    pieces = [bytes([one]) for one in b"GET /health/live HTTP/1.0\r\n\r\n"]

    assert (await said(port, *pieces))[0] == 200


async def test_who_is_too_slow_is_let_go_without_an_answer(port, monkeypatch):
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(health_port, "REQUEST_S", 0.2)
        async with connection(port) as (reader, writer):
            writer.write(b"GET /health/live HTT")
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 30) == b""

    assert (await get(port, "/health/live"))[0] == 200


async def test_connections_that_say_nothing_keep_no_probe_out(port, monkeypatch):
    monkeypatch.setattr(health_port, "REQUEST_S", 600.0)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_CONNECTIONS)]

    status, _, _ = await get(port, "/health/live")
    first = await asyncio.wait_for(held[0][0].read(), 30)

    assert (status, first) == (200, b"")
    assert not any(reader.at_eof() for reader, _ in held[1:])
    for _, writer in held:
        writer.close()


async def test_who_hangs_up_in_the_middle_does_no_harm(port, caplog):
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health")
        writer.transport.abort()

    assert (await get(port, "/health/live"))[0] == 200
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


async def test_the_end_waits_for_nobody(run, caplog, monkeypatch):
    monkeypatch.setattr(health_port, "REQUEST_S", 600.0)
    caplog.set_level("INFO", "events.health")
    async with asyncio.timeout(60):
        async with answering_health(run, host="127.0.0.1", port=0):
            port = int(caplog.messages[-1].rpartition(":")[2].split("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /hea")
            await get(port, "/health/live")  # who came later is answered: so this one is open on the other side too
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_port_that_is_taken_is_one_sentence(run, port, caplog):
    with pytest.raises(PortTaken, match=f"Port {port} of 127.0.0.1 cannot be opened for health, choose another"):
        await answering_health(run, host="127.0.0.1", port=port).__aenter__()
    with pytest.raises(PortTaken, match="0-65535"):
        await answering_health(run, host="127.0.0.1", port=70_000).__aenter__()

    def resource(run):
        return answering_health(run, host="127.0.0.1", port=port)

    with pytest.raises(NotStarted, match=r"PortTaken: Port \d+"):
        await Run(resource).start()
    assert "Traceback" not in caplog.text
