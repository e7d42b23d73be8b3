"""What `EVENTS["PRODUCER"]` and `EVENTS["CONSUMER"]` may say, and why some arguments of aiokafka are refused."""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SSL_NAMES = frozenset({"ssl_context", "ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_password"})
SASL_NAMES = frozenset(
    {
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    }
)
SECURITY = SSL_NAMES | SASL_NAMES | {"security_protocol"}
"""Names of the arguments that say how to log in, and over what."""

_BYTES = "records travel as bytes, and only the engine can bury what does not decode."
_COMMITS = "offsets are committed when their records are handled, never when they were merely fetched."

# Name: the values that are harmless, and why no other one can be.
_REFUSED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "bootstrap_servers": ((), 'the address has its own key, EVENTS["BOOTSTRAP_SERVERS"].'),
    "loop": ((), "every client belongs to the event loop that runs it."),
    "api_version": ((), "aiokafka ignores it and will remove it."),
    "group_id": ((), 'the group comes from EVENTS["GROUP"] and @subscriber(group=...).'),
    "group_instance_id": ((), "all processes would share it, and aiokafka does not fence: both would own everything."),
    "enable_auto_commit": ((False,), _COMMITS),
    "auto_commit_interval_ms": ((), _COMMITS),
    "auto_offset_reset": (
        ("none",),
        "a group without offsets starts at the earliest record, and any other gap is reported, not skipped.",
    ),
    "partition_assignment_strategy": ((), "all members of a group must use the assignor of events."),
    "key_deserializer": ((None,), _BYTES),
    "value_deserializer": ((None,), _BYTES),
    "key_serializer": ((None,), _BYTES),
    "value_serializer": ((None,), _BYTES),
    "transactional_id": ((None,), "the outbox is the transaction; one id in several processes would fence them."),
    "transaction_timeout_ms": ((), "there are no Kafka transactions: the outbox is the transaction."),
    "enable_idempotence": ((True,), "without it a retry could repeat a record or change the order of a key."),
    "acks": (("all", -1), "an outbox row is deleted only when all in-sync replicas have the record."),
}


def problems(producer: Mapping[str, Any], consumer: Mapping[str, Any]) -> list[str]:
    """What is wrong with the two settings, one sentence each, without any value."""
    return [
        *_problems('EVENTS["PRODUCER"]', producer, known=_names(AIOKafkaProducer)),
        *_problems('EVENTS["CONSUMER"]', consumer, known=_names(AIOKafkaConsumer)),
        *_times(consumer),
    ]


def _problems(setting: str, given: Mapping[str, Any], *, known: frozenset[str]) -> Iterator[str]:
    for name, value in given.items():
        harmless, why = _REFUSED.get(name, ((value,), ""))
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known - set(_REFUSED)), 1, 0.6)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            yield f"{setting}: aiokafka has no argument {name!r} there.{hint}"
        elif not any(value is one or value == one for one in harmless):
            yield f"{setting} must not set {name!r}: {why}"
    yield from _security(setting, given)


def _names(client: Callable[..., object]) -> frozenset[str]:
    parameters = inspect.signature(client).parameters.values()
    return SSL_NAMES | {one.name for one in parameters if one.kind is one.KEYWORD_ONLY or one.name == "loop"}


def _security(setting: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Log-in data that would not be used, or would travel in the clear without the user having said so."""
    protocol = given.get("security_protocol", "PLAINTEXT")
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        yield f"{setting}: 'security_protocol' must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
        return
    if SSL_NAMES & set(given) and not str(protocol).endswith("SSL"):
        yield f"{setting} has ssl_... arguments, which need 'security_protocol': 'SSL' or 'SASL_SSL'."
    if SASL_NAMES & set(given) and not str(protocol).startswith("SASL"):
        yield f"{setting} has sasl_... arguments, which need 'security_protocol': 'SASL_SSL' or 'SASL_PLAINTEXT'."
    if given.get("ssl_context") is not None and (SSL_NAMES - {"ssl_context"}) & set(given):
        yield f"{setting} has both 'ssl_context' and files for one: give one of the two."


def _times(consumer: Mapping[str, Any]) -> Iterator[str]:
    rebalance, request = consumer.get("rebalance_timeout_ms", 60_000), consumer.get("request_timeout_ms", 70_000)
    if isinstance(rebalance, int) and isinstance(request, int) and request <= rebalance:
        yield (
            'EVENTS["CONSUMER"]: request_timeout_ms must be above rebalance_timeout_ms, because a join waits in one '
            "request until every member has come."
        )
