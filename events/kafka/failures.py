"""aiokafka's errors in our words: what waiting cures, what a new consumer cures, what is refused for good."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors

from events.core.errors import BrokerUnavailable, MembershipLost

APPLY = "manage.py events_topics --apply"

_ADVICE: dict[type[Exception], str] = {
    errors.KafkaConnectionError: "nobody answers there, or the log-in failed: the lines of aiokafka above say which",
    errors.InconsistentGroupProtocolError: (
        "other members of the group use another assignor: stop them, or give this group another name"
    ),
    errors.GroupAuthorizationFailedError: "the user may not read in this group: grant READ on it",
    errors.TopicAuthorizationFailedError: "the user may not use this topic: grant READ, WRITE or DESCRIBE on it",
    errors.ClusterAuthorizationFailedError: "the user may not write idempotently: grant IDEMPOTENT_WRITE",
    errors.InvalidSessionTimeoutError: (
        "session_timeout_ms lies outside the brokers' group.min/max.session.timeout.ms"
    ),
    errors.AuthenticationFailedError: "the log-in failed: check sasl_mechanism, user and password",
    errors.UnsupportedCodecError: "a record is compressed in a way that needs another library: install cramjam",
}


def described(error: BaseException) -> str:
    """One line: the error's name, its text or else Kafka's, and what to do where we know it."""
    name = type(error).__name__
    own = str(error).removeprefix(f"[Error {getattr(error, 'errno', '')}] ").removeprefix(name).lstrip(": ")
    text, _, sockets = (own or getattr(error, "description", "")).partition(" [(")
    if sockets:  # ('host', 9092, <AddressFamily.AF_UNSPEC: 0>), ...
        text += " " + ", ".join(f"{host}:{port}" for host, port in re.findall(r"'([^']+)', (\d+)", sockets))
    advice = next((said for kind, said in _ADVICE.items() if isinstance(error, kind)), "")
    return name + (f": {text}" if text else "") + (f" ({advice})" if advice else "")


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn aiokafka's errors and time-outs of the block into `BrokerUnavailable`, which says what could not be done."""
    try:
        yield
    except TimeoutError as error:
        raise BrokerUnavailable(f"{what}: no answer in time.") from error
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        raise BrokerUnavailable(f"{what}: {described(error)}") from error


@contextmanager
def membership_lost(what: str) -> Iterator[None]:
    """Turn aiokafka's errors of the block into `MembershipLost`."""
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError) as error:
        raise MembershipLost(f"{what}: {described(error)}") from error
