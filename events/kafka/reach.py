"""Whether the brokers answer a client, and whether they refuse its log-in: aiokafka only logs both.

Its bootstrap says "Unable to bootstrap" for a wrong password as for a host that is down, and a running client tries for
ever without an error. So the outcome of every metadata request is told, and when none answers, those that the settings
name are asked once more:

* A client is refused for good only when each of them refuses its log-in: one that is away may still take it.
* One that answers tells where the brokers are by now. aiokafka asks for ever at the addresses that it was told first,
  so a running client would never find brokers that have moved (KIP-899).
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka.failures import described, is_for_good

AGAIN_S = 1.0
"""Seconds until brokers that were away are asked again."""

ASK_S = 10.0
"""The most seconds for one such connection, log-in and answer."""

_LOG_IN = (
    "client_id",
    "ssl_context",
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_kerberos_service_name",
    "sasl_kerberos_domain_name",
    "sasl_oauth_token_provider",
)

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
    except KafkaConnectionError:
        refusals = _refusals(said := await _ask_all(client)) if client._security_protocol.startswith("SASL") else []
        if not refusals:
            raise
        raise (refusals[0] if refusals == said else KafkaConnectionError(_in_part(refusals))) from None


async def _update(client: Any, update: Callable[..., Any], *asked: Any, told: Told) -> Any:
    cluster, topics = asked
    if not (answered := await update(cluster, topics)):
        said = await _ask_all(client, topics)
        answered = _moved(cluster, said) and await update(cluster, topics)
    if answered:
        told(None)
    else:
        told(_away(client, said))
        asyncio.get_running_loop().call_later(AGAIN_S, client.force_metadata_update)  # an idle client would not ask
    return answered


def _moved(cluster: Any, said: Sequence[Any]) -> bool:
    """Take over what a broker says. Whether there are others now than those that did not answer."""
    before = set(cluster.brokers())
    for one in said:
        if not isinstance(one, Exception) and one.brokers:
            cluster.update_metadata(one)
            return set(cluster.brokers()) != before
    return False


def _away(client: Any, said: Sequence[Any]) -> BrokerUnavailable:
    refusals, where = _refusals(said), ",".join(f"{host}:{port}" for host, port, _ in client.hosts)
    if refusals and refusals == said:
        return ClientRefused(f"The brokers at {where} refuse this client: {described(refusals[0])}")
    return BrokerUnavailable(f"No broker answers at {where}" + (f": {_in_part(refusals)}" if refusals else "."))


def _refusals(said: Sequence[Any]) -> list[Exception]:
    return [one for one in said if isinstance(one, Exception) and is_for_good(one)]


def _in_part(refusals: Sequence[Exception]) -> str:
    return f"{len(refusals)} of them refuse this client, the others are away: {described(refusals[0])}"


async def _ask_all(client: Any, topics: Collection[str] = ()) -> list[Any]:
    """What each broker that the settings name says: its metadata, or an error."""
    return await asyncio.gather(*(_ask(client, address, topics=topics) for address in client.hosts))


async def _ask(client: Any, address: tuple[str, int, Any], *, topics: Collection[str]) -> Any:
    """Errors come without the frames in which they came up: their local variables are the password."""
    host, port, _ = address
    try:
        async with asyncio.timeout(ASK_S):
            connection = await create_conn(host, port, **{name: getattr(client, f"_{name}") for name in _LOG_IN})
            try:
                return await connection.send(MetadataRequest(list(topics), allow_auto_topic_creation=False))
            finally:
                connection.close()
    except Exception as error:
        return error.with_traceback(None)
