"""The forwarder between plain sockets."""

import asyncio
import contextlib

import pytest

from events.embedded.forwarder import Forwarder


@pytest.fixture
async def echo():
    """A server that sends back what it is sent, and ends when it is sent "end"."""

    async def answer(reader, writer):
        with contextlib.closing(writer):
            while (text := await reader.readline()) not in (b"", b"end\n"):
                writer.write(text)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def forwarded(echo):
    """A forwarder to it, and a connection through it: forwarder, port, reader, writer."""
    forwarder = Forwarder(f"127.0.0.1:{echo}")
    port = await forwarder.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield forwarder, port, reader, writer
    writer.close()
    await forwarder.close()


async def test_bytes_go_both_ways(forwarded):
    _, _, reader, writer = forwarded

    writer.write(b"hello\n")

    assert await asyncio.wait_for(reader.readline(), 30) == b"hello\n"


async def test_the_target_ending_ends_the_client(forwarded):
    _, _, reader, writer = forwarded

    writer.write(b"end\n")

    assert await asyncio.wait_for(reader.read(), 30) == b""


async def test_closing_cuts_the_connections_and_frees_the_port(forwarded):
    forwarder, port, reader, writer = forwarded
    writer.write(b"hello\n")
    await reader.readline()

    await forwarder.close()

    assert await asyncio.wait_for(reader.read(), 30) == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_target_that_is_away_ends_the_connection(echo):
    forwarder = Forwarder("127.0.0.1:1")
    reader, writer = await asyncio.open_connection("127.0.0.1", await forwarder.open())

    assert await asyncio.wait_for(reader.read(), 30) == b""

    writer.close()
    await forwarder.close()


async def test_it_takes_the_port_it_is_told_if_that_is_free(echo):
    one, two, three = (Forwarder(f"127.0.0.1:{echo}") for _ in range(3))
    port = await one.open()

    other = await two.open(port)
    await one.close()
    same = await three.open(port)

    assert (other != port, same == port) == (True, True)
    await two.close()
    await three.close()
