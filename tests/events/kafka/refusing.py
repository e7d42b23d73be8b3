"""A log-in, and a broker that answers the first requests of a connection and refuses it. Nothing else is played."""

import asyncio
import struct
from contextlib import asynccontextmanager

VERSIONS, HANDSHAKE, AUTHENTICATE = 18, 17, 36
LOG_IN_FAILED, NOT_A_LOG_IN_LISTENER = 58, 34
SECRET = "hunter2-is-the-password"
SASL = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "the-user-of-the-shop",
    "sasl_plain_password": SECRET,
}


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def _answer(api, refuses_with):
    if api == VERSIONS:
        known = [(VERSIONS, 0, 0), (HANDSHAKE, 0, 1), (AUTHENTICATE, 0, 0), (3, 0, 5)]
        return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *one) for one in known)
    if api == HANDSHAKE:
        refused = refuses_with if refuses_with == NOT_A_LOG_IN_LISTENER else 0
        return struct.pack(">hi", refused, 1) + _text("PLAIN")
    return struct.pack(">h", refuses_with) + _text("Authentication failed: Invalid username or password") + b"\0" * 4


@asynccontextmanager
async def refusing_broker(refuses_with=LOG_IN_FAILED):
    """Gives its address, "host:port"."""
    writers = []

    async def connected(reader, writer):
        writers.append(writer)
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                api, _, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
                answer = struct.pack(">i", correlation) + _answer(api, refuses_with)
                writer.write(struct.pack(">i", len(answer)) + answer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)
