"""Whether the brokers answer a client, and whether they refuse its log-in: aiokafka only logs both.

Its bootstrap says "Unable to bootstrap" for a wrong password as for a host that is down, and a running client tries for
ever without an error. So the outcome of every metadata request is told, and where none answers, at the start or with a
log-in or TLS, those that the settings name are asked once more. A client is refused for good only when each of them
refuses its log-in: one that is away may still take it.

A listener that is spoken to in another protocol than its own closes the connection (Kafka 4.3: TLS or not, log-in or
not). So does one that is shut down, and a proxy without brokers. So that is no refusal, and only asked at the start.

Not done: to look there for brokers that have moved (KIP-899). At the same address may be another cluster, an empty one
say, and a member that went on there would commit the positions of the old one (tried).
"""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from ssl import SSLError
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka.arguments import SASL_NAMES
from events.kafka.failures import described, is_for_good

AGAIN_S = 1.0
"""Seconds until brokers that were away are asked again."""

ASK_S = 10.0
"""The most seconds for one such connection, log-in and answer."""

_LOG_IN = ("client_id", "ssl_context", "security_protocol", *sorted(SASL_NAMES))

type Told = Callable[[BrokerUnavailable | None], None]


def watch(client: Any, told: Told | None) -> None:
    """Have an `AIOKafkaClient` raise the refusal of its log-in when it starts, and later tell whether anybody answers.

    `told` is called after each metadata request: with None, or with what is wrong.
    """
    client.bootstrap = partial(_bootstrap, client, client.bootstrap)
    if told:
        client._metadata_update = partial(_update, client, client._metadata_update, told=told)


async def _bootstrap(client: Any, bootstrap: Callable[[], Any]) -> None:
    try:
        await bootstrap()
    except asyncio.CancelledError as cancelled:
        _close_what_it_leaves(cancelled)
        raise
    except KafkaConnectionError:
        said = await _ask_all(client)
        refusals = _refusals(said)
        raise (refusals[0] if refusals and refusals == said else _away(client, said, starting=True)) from None


def _close_what_it_leaves(cancelled: asyncio.CancelledError) -> None:
    """Close the connection that aiokafka's bootstrap forgets when it is cancelled; nothing but its frame has it."""
    for frame, _ in traceback.walk_tb(cancelled.__traceback__):
        if connection := frame.f_locals.get("bootstrap_conn"):
            connection.close()


async def _update(client: Any, update: Callable[..., Any], *arguments: Any, told: Told) -> Any:
    answered = await update(*arguments)
    if answered:
        told(None)
    else:
        told(_away(client, await _ask_all(client) if client._security_protocol != "PLAINTEXT" else []))
        asyncio.get_running_loop().call_later(AGAIN_S, client.force_metadata_update)  # an idle client would not ask
    return answered


def _away(client: Any, said: Sequence[Exception | None], *, starting: bool = False) -> BrokerUnavailable:
    refusals, where = _refusals(said), ",".join(f"{host}:{port}" for host, port, _ in client.hosts)
    if refusals and refusals == said:
        return ClientRefused(f"The brokers at {where} refuse this client: {described(refusals[0])}")
    why = _in_part(refusals) if refusals else _of_tls(said)
    if starting and not why and any(map(_is_closed, said)):
        why = f"the connection is closed at once. Is {client._security_protocol} the security_protocol of that port?"
    return BrokerUnavailable(f"No broker answers at {where}" + (f": {why}" if why else "."))


def _refusals(said: Sequence[Exception | None]) -> list[Exception]:
    return [one for one in said if one is not None and is_for_good(one)]


def _in_part(refusals: Sequence[Exception]) -> str:
    return f"{len(refusals)} of them refuse this client, the others are away: {described(refusals[0])}"


def _of_tls(said: Sequence[Exception | None]) -> str:
    """Brokers see a client's certificate after their own: what they say of it only ends the first request."""
    causes = (cause for one in said if one for cause in (one, one.__cause__) if isinstance(cause, SSLError))
    return next(map(described, causes), "")


def _is_closed(error: Exception | None) -> bool:
    """Whether somebody took the connection, and ended it."""
    if isinstance(error, KafkaConnectionError):
        return isinstance(error.__cause__, EOFError | ConnectionError)
    return isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError)


async def _ask_all(client: Any) -> list[Exception | None]:
    """What each broker that the settings name says to TLS, log-in and a first question; None: it takes us."""
    return await asyncio.gather(*(_ask(client, address) for address in client.hosts))


async def _ask(client: Any, address: tuple[str, int, Any]) -> Exception | None:
    """Errors come without the frames in which they came up: their local variables are the password."""
    host, port, _ = address
    try:
        async with asyncio.timeout(ASK_S):
            connection = await create_conn(host, port, **{name: getattr(client, f"_{name}") for name in _LOG_IN})
            try:
                await connection.send(MetadataRequest([], allow_auto_topic_creation=False))
            finally:
                connection.close()
    except Exception as error:
        return error.with_traceback(None)
    return None
