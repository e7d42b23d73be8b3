"""`Connection`: where the brokers are and how to talk to them, as arguments for aiokafka's clients.

Our defaults come first, the user's arguments win, except those that would break a promise: these are refused with
the reason. A value is never quoted, in no error, log or repr: some of them are passwords.

Nor does one stand in a local variable of a frame that an error leaves through: Django's error page and error trackers
show these. So the clients are built here, by functions that keep no arguments, and errors come out `alone`.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.helpers import create_ssl_context

from events.kafka.arguments import SECURITY, problems
from events.kafka.failures import alone, described

type Arguments = dict[str, Any]

PRODUCER: Mapping[str, Any] = {
    "enable_idempotence": True,
    # Idempotent batches expire when a partition has no leader for this long, and poison it. Own deadlines are shorter.
    "request_timeout_ms": 120_000,
    "metadata_max_age_ms": 30_000,
    "max_batch_size": 262_144,
    "retry_backoff_ms": 200,
}

CONSUMER: Mapping[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",  # what was rolled back has never happened
    "session_timeout_ms": 30_000,
    "heartbeat_interval_ms": 1_000,
    "rebalance_timeout_ms": 60_000,
    "request_timeout_ms": 70_000,  # bounds JoinGroup too, so it must be above the rebalance time-out
    "retry_backoff_ms": 1_000,
    "metadata_max_age_ms": 30_000,
    "max_poll_interval_ms": 86_400_000,  # polling never stops: a watchdog of our own looks for progress
    "consumer_timeout_ms": 50,  # 200, aiokafka's default, cost up to 200 ms at a join (measured)
    "fetch_max_wait_ms": 100,
}

# The embedded broker parks an empty fetch for its whole wait, and a rebalance on it takes session - 1 s. Who has not
# heard of it by a heartbeat within that time is thrown out.
EMBEDDED: Mapping[str, Any] = {"fetch_max_wait_ms": 20, "session_timeout_ms": 3_000, "heartbeat_interval_ms": 300}

# A listener owes nobody a quick rebalance. An empty fetch that lasts costs no delay (measured: p99 18 and 15 ms with
# 100 and 500), and each broadcast of each process asks 2 instead of 10 times a second.
LISTENER: Mapping[str, Any] = {"fetch_max_wait_ms": 500}

ADMIN: Mapping[str, Any] = {"request_timeout_ms": 10_000}

_NONE: Mapping[str, Any] = MappingProxyType({})

_SSL_FILES = {
    "ssl_cafile": "cafile",
    "ssl_certfile": "certfile",
    "ssl_keyfile": "keyfile",
    "ssl_password": "password",
}


class WrongArguments(ValueError):
    """`EVENTS["PRODUCER"]` or `EVENTS["CONSUMER"]` cannot work. The text says what to change."""

    waiting_helps = False
    traceback_helps = False


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Connection:
    """How to reach the brokers.

    `bootstrap_servers`: `host:port,host:port`. `producer`, `consumer`: arguments of aiokafka's classes that are added
    to ours, and `ssl_cafile`, `ssl_certfile`, `ssl_keyfile`, `ssl_password`, from which the SSL context is made.
    `embedded`: the brokers are the embedded one. Raises `WrongArguments`.
    """

    bootstrap_servers: str
    producer: Mapping[str, Any]
    consumer: Mapping[str, Any]
    embedded: bool

    def __init__(
        self,
        bootstrap_servers: str,
        producer: Mapping[str, Any] = _NONE,
        consumer: Mapping[str, Any] = _NONE,
        *,
        embedded: bool = False,
    ) -> None:
        found = problems(producer, consumer)
        for name, value in zip(self.__slots__, (bootstrap_servers, producer, consumer, embedded), strict=True):
            object.__setattr__(self, name, value)
        del producer, consumer, value  # this frame may be shown
        if found:
            raise WrongArguments(" ".join(found))

    def __repr__(self) -> str:
        """Names only, no values: some of them are passwords."""
        return (
            f"Connection({self.bootstrap_servers!r}, producer={sorted(self.producer)}, "
            f"consumer={sorted(self.consumer)}, embedded={self.embedded})"
        )

    @property
    def longest_join_s(self) -> float:
        """Seconds that a join of a consumer may take: others have that long to come."""
        given = {**CONSUMER, **(EMBEDDED if self.embedded else {}), **self.consumer}
        return float(max(given["rebalance_timeout_ms"], given["session_timeout_ms"])) / 1000

    def new_producer(self, client_id: str) -> Any:
        """An `AIOKafkaProducer`, not started. Raises `ValueError` when a certificate cannot be read; so do the next."""
        with alone(_refused("PRODUCER")):
            return AIOKafkaProducer(client_id=client_id, **self.producer_arguments())

    def new_consumer(self, group: str, assignor: Any, *, client_id: str) -> Any:
        """An `AIOKafkaConsumer` of this group, not started, without topics."""
        with alone(_refused("CONSUMER")):
            return AIOKafkaConsumer(
                client_id=client_id,
                partition_assignment_strategy=(assignor,),
                **self.consumer_arguments(group),
            )

    def new_listener(self, client_id: str) -> Any:
        """An `AIOKafkaConsumer` in no group, not started, without topics."""
        with alone():
            return AIOKafkaConsumer(client_id=client_id, **self.listener_arguments())

    def new_admin(self) -> Any:
        """An `AIOKafkaAdminClient`, not started."""
        with alone():
            return AIOKafkaAdminClient(**self.admin_arguments())

    def new_reader(self) -> Any:
        """An `AIOKafkaConsumer` in no group, not started, for questions."""
        with alone():
            return AIOKafkaConsumer(**self.admin_arguments())

    def producer_arguments(self) -> Arguments:
        """Arguments for `AIOKafkaProducer`. Raises `ValueError` when a certificate cannot be read."""
        return self._with_servers({**PRODUCER, **_with_ssl_context(self.producer)})

    def consumer_arguments(self, group: str | None) -> Arguments:
        """Arguments for an `AIOKafkaConsumer` of this group, or of none, without topics and assignor."""
        ours = {**CONSUMER, **(EMBEDDED if self.embedded else {}), "group_id": group}
        return self._with_servers({**ours, **_with_ssl_context(self.consumer)})

    def listener_arguments(self) -> Arguments:
        """Arguments for an `AIOKafkaConsumer` in no group, without topics."""
        ours = {} if self.embedded else {name: value for name, value in LISTENER.items() if name not in self.consumer}
        return {**self.consumer_arguments(None), **ours}

    def admin_arguments(self) -> Arguments:
        """Arguments for `AIOKafkaAdminClient`: it logs in as the producer does, else as the consumer does."""
        given = self.producer if SECURITY & set(self.producer) else self.consumer
        security = {name: value for name, value in given.items() if name in SECURITY}
        return self._with_servers({**ADMIN, **_with_ssl_context(security)})

    def _with_servers(self, arguments: Arguments) -> Arguments:
        return {"bootstrap_servers": self.bootstrap_servers, **arguments}


def _with_ssl_context(given: Mapping[str, Any]) -> Arguments:
    """The arguments with the SSL context made of the files; with the system's authorities when no file is named."""
    arguments = {name: value for name, value in given.items() if name not in _SSL_FILES}
    encrypted = str(given.get("security_protocol", "")).endswith("SSL")
    if not encrypted or arguments.get("ssl_context") is not None:
        return arguments
    files = {_SSL_FILES[name]: value for name, value in given.items() if name in _SSL_FILES}
    try:
        return {**arguments, "ssl_context": create_ssl_context(**files)}
    except (OSError, ssl.SSLError, ValueError) as error:
        # From None: the text of some of these errors, and their frames, hold the password.
        named = ", ".join(sorted(name for name in given if name in _SSL_FILES))
        raise WrongArguments(
            f"The TLS files of EVENTS ({named}) cannot be used: {type(error).__name__}. Each must be a readable PEM "
            "file, the key must belong to the certificate, and ssl_password must open the key."
        ) from None


def _refused(setting: str) -> Callable[[BaseException], BaseException]:
    """What aiokafka's constructors raise is about the arguments: no new try would end otherwise."""

    def translated(error: BaseException) -> BaseException:
        if isinstance(error, WrongArguments) or not isinstance(error, Exception):
            return error
        return WrongArguments(f'aiokafka refuses EVENTS["{setting}"]: {described(error)}')

    return translated
