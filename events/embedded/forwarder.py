"""`Forwarder`: a TCP port that stays, in front of one that does not.

The mock cluster binds a free port, each time another one. Clients ask the forwarder for the cluster's address and
then talk to the cluster itself, so hardly anything flows through here.
"""

import asyncio
import contextlib


class Forwarder:
    """Hands every connection on its port to `target`, "host:port", and bytes both ways."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()

    async def open(self, wanted: int = 0) -> int:
        """Listen on 127.0.0.1, on port `wanted` if it is free, else on any. Returns the port."""
        try:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", wanted)
        except OSError:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None:
            self._server.close()
        for pair in self._pairs:
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.create_task(self._forward(reader, writer))
        self._pairs.add(pair)
        pair.add_done_callback(self._pairs.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            target_reader, target_writer = await asyncio.open_connection(self._host, self._port)
            with contextlib.closing(target_writer):
                ways = [
                    asyncio.create_task(_copy(reader, target_writer)),
                    asyncio.create_task(_copy(target_reader, writer)),
                ]
                await _first_end(ways)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(64 * 1024):
            writer.write(chunk)
            await writer.drain()


async def _first_end(ways: list[asyncio.Task[None]]) -> None:
    # Kafka has no half-closed connections: when one side has ended, so has the other.
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
