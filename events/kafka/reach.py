"""Whether the brokers answer a client, and whether they refuse its log-in: aiokafka only logs both.

Its bootstrap says "Unable to bootstrap" for a wrong password as for a host that is down, and a running client tries for
ever without an error. So the outcome of every metadata request is told, and where brokers are to be logged in to and
none answers, one connection more is made to hear what they say.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError

from events.core.errors import BrokerUnavailable, ClientRefused
from events.kafka.failures import described, is_for_good

AGAIN_S = 1.0
"""Seconds until brokers that were away are asked again."""

LOG_IN_S = 10.0
"""The most seconds for one such connection."""

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
        if refusal := await _refusal(client):
            raise refusal from None
        raise


async def _update(client: Any, update: Callable[..., Any], *arguments: Any, told: Told) -> Any:
    answered = await update(*arguments)
    if answered:
        told(None)
    else:
        told(await _away(client))
        asyncio.get_running_loop().call_later(AGAIN_S, client.force_metadata_update)  # an idle client would not ask
    return answered


async def _away(client: Any) -> BrokerUnavailable:
    refusal, where = await _refusal(client), ",".join(f"{host}:{port}" for host, port, _ in client.hosts)
    if refusal:
        return ClientRefused(f"The brokers at {where} refuse this client: {described(refusal)}")
    return BrokerUnavailable(f"No broker answers at {where}.")


async def _refusal(client: Any) -> BaseException | None:
    """What the brokers say when they refuse our log-in; None: they do not, or nobody answers.

    The error comes without the frames in which it came up: their local variables are the password.
    """
    if not client._security_protocol.startswith("SASL"):
        return None
    for host, port, _ in client.hosts:
        try:
            async with asyncio.timeout(LOG_IN_S):
                connection = await create_conn(host, port, **{name: getattr(client, f"_{name}") for name in _LOG_IN})
        except Exception as error:
            if is_for_good(error):
                return error.with_traceback(None)
        else:
            connection.close()
            return None
    return None
