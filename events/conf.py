"""`settings.EVENTS` as a frozen dataclass; the only reader of it.

The fields below are the documentation: the table of keys in `docs/reference.md` is made from them, and a test keeps
the two alike. Nothing here connects to anything.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from events.core.names import LEGAL, is_legal

RUNNABLE = ("relay", "consume")
SIZES = ("partitions", "replication")
MAX_REQUEST_SIZE = 1_048_576
"""aiokafka's default of `max_request_size`, in bytes."""
MOST_PORT = 65_535
_ADDRESS = re.compile(r"([^\s:/@,\[\]]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")


def key(default: Any, text: str, *, secret: bool = False) -> Any:
    """A field of `Config`: its default and its line in the reference. `secret`: it may hold a password, so no repr."""
    metadata = {"text": text}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All keys of `EVENTS`. Times are in seconds, sizes in bytes."""

    BOOTSTRAP_SERVERS: str = key(
        "", "Kafka's addresses, `host:port,host:port`. Empty with `DEBUG`: the embedded broker."
    )
    PREFIX: str = key("", "Goes before every topic and group: several environments on one cluster.")
    SOURCE: str = key("", "`ce_source` of the events published here. Empty: the value of `GROUP`, else `django`.")
    GROUP: str = key("", "The consumer group of subscribers that name none.")
    RUN: tuple[str, ...] = key(
        (),
        "What a web process runs besides HTTP: `relay`, `consume`, `none`. Empty: both with `DEBUG`, else the relay.",
    )
    PRODUCER: Mapping[str, Any] = key({}, "Arguments for aiokafka's producer, TLS and SASL included.", secret=True)
    CONSUMER: Mapping[str, Any] = key({}, "Arguments for aiokafka's consumer, TLS and SASL included.", secret=True)
    PARTITIONS: int = key(6, "Partitions of a topic that `events_topics --apply` creates.")
    REPLICATION: int = key(3, "Replicas of a topic that `events_topics --apply` creates.")
    TOPICS: Mapping[str, Mapping[str, int]] = key(
        {}, "By topic: other `partitions` or `replication` than the two above."
    )
    DATABASE: str = key("default", "The alias of the database that holds outbox and inbox.")
    DATABASE_THREADS: int = key(4, "Threads with a database connection of their own that subscribers share. SQLite: 1.")
    RETRY_ATTEMPTS: int = key(5, "How often a failing event is handled in all before it becomes a dead letter.")
    RETRY_DELAY: float = key(0.5, "Seconds before the second attempt; doubled for each later one, with jitter.")
    RETRY_MAX_DELAY: float = key(30.0, "The most seconds between two attempts, also with `Retry(after_s=...)`.")
    RELAY_BATCH: int = key(500, "The most outbox rows that are sent at once.")
    RELAY_INTERVAL: float = key(1.0, "Seconds between two looks into an outbox that was empty.")
    LEASE: float = key(15.0, "Seconds after which another relay takes over from one that fell silent.")
    BUFFER: int = key(1000, "The most records of one partition that are fetched and not committed.")
    COMMIT_INTERVAL: float = key(1.0, "Seconds between two commits.")
    DRAIN: float = key(10.0, "The most seconds that a rebalance or a stop waits for subscribers that are running.")
    SEND_TIMEOUT: float = key(10.0, "The most seconds that `send` waits for the brokers.")
    GIVE_UP: float | None = key(None, "Seconds after which a process ends whose part does not work. None: never.")
    INBOX_DAYS: int = key(14, "Days that the inbox remembers handled events; at least Kafka's retention.")
    EMBEDDED_FOLDER: str = key("", "Where the embedded broker keeps its address. Empty: `.run/embedded` in `BASE_DIR`.")

    @property
    def group(self) -> str:
        """The default group, without prefix; `django` where none is set (a check says so)."""
        return self.GROUP or "django"

    @property
    def source(self) -> str:
        """`ce_source` of what is published here."""
        return self.SOURCE or self.group

    @property
    def embedded(self) -> bool:
        """Whether the embedded broker stands in for Kafka."""
        return not self.BOOTSTRAP_SERVERS

    @property
    def embedded_folder(self) -> Path:
        """The folder that processes of one checkout share."""
        return Path(self.EMBEDDED_FOLDER or Path(getattr(settings, "BASE_DIR", ".")) / ".run" / "embedded")

    @property
    def max_record(self) -> int:
        """Bytes of the largest record that the producer sends."""
        return int(self.PRODUCER.get("max_request_size", MAX_REQUEST_SIZE))

    def runs(self, part: str) -> bool:
        """Whether a web process runs this part: `relay` or `consume`."""
        return part in (self.RUN or (RUNNABLE if settings.DEBUG else ("relay",)))

    def partitions(self, topic: str) -> int:
        """How many partitions a declared topic should have."""
        return int(self.TOPICS.get(topic, {}).get("partitions", self.PARTITIONS))

    def replication(self, topic: str) -> int:
        """How many replicas a declared topic should have."""
        return int(self.TOPICS.get(topic, {}).get("replication", self.REPLICATION))


@cache
def config() -> Config:
    """The settings of this process. Raises `ImproperlyConfigured` with every fault and what to write instead."""
    given = getattr(settings, "EVENTS", {})
    if problems := list(problems_of(given)):
        raise ImproperlyConfigured(" ".join(problems))
    return Config(**given)


def problems_of(given: object) -> list[str]:
    """What is wrong with a value of `settings.EVENTS`, one sentence each. Values are never quoted: some are secret."""
    if not isinstance(given, Mapping):
        return [f"EVENTS must be a dict, not {type(given).__name__}."]
    known = {one.name for one in fields(Config)}
    return [unknown_key(name) for name in given if name not in known] + _wrong_values(given)


def unknown_key(name: object) -> str:
    """The sentence for a key that does not exist, with the nearest one that does."""
    known = [one.name for one in fields(Config)]
    near = difflib.get_close_matches(str(name).upper(), known, 1, 0.5)
    return f"EVENTS has no key {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in ("EVENTS", "DEBUG"):
        config.cache_clear()


def _wrong_values(given: Mapping[str, Any]) -> list[str]:
    return [text for one in fields(Config) if one.name in given for text in _wrong_value(one.name, given[one.name])]


def _wrong_value(name: str, value: object) -> list[str]:
    label, default = f"EVENTS[{name!r}]", getattr(Config(), name)
    if isinstance(default, tuple):
        return _wrong_run(value)
    if isinstance(default, dict):
        return (
            _wrong_topics(label, value) if name == "TOPICS" else _wrong_kind(label, value, kind=Mapping, text="a dict")
        )
    if isinstance(default, str):
        return (
            _wrong_kind(label, value, kind=str, text="text") or _wrong_name(name, value) or _wrong_address(name, value)
        )
    if default is None and value is None:
        return []
    return _wrong_number(label, value, whole=isinstance(default, int))


def _wrong_kind(label: str, value: object, *, kind: type, text: str) -> list[str]:
    return [] if isinstance(value, kind) else [f"{label} must be {text}, not {type(value).__name__}."]


def _wrong_name(name: str, value: object) -> list[str]:
    if name not in ("PREFIX", "GROUP") or not value or is_legal(value):
        return []
    return [f"EVENTS[{name!r}] must be {LEGAL}."]


def _wrong_address(name: str, value: Any) -> list[str]:
    if name != "BOOTSTRAP_SERVERS" or not value or all(_is_address(one) for one in value.split(",")):
        return []
    return ['EVENTS["BOOTSTRAP_SERVERS"] must be "host:port,host:port": no scheme, no space, ports from 1 to 65535.']


def _is_address(text: str) -> bool:
    """A host without a port is one too: aiokafka takes 9092."""
    port = (found := _ADDRESS.fullmatch(text)) and (found["port"] or "9092")
    return port is not None and 0 < int(port) <= MOST_PORT


def _wrong_number(label: str, value: object, *, whole: bool) -> list[str]:
    if type(value) in ((int,) if whole else (int, float)) and float(str(value)) > 0:
        return []
    return [f"{label} must be a {'whole number' if whole else 'number of seconds'} above 0."]


def _wrong_run(value: object) -> list[str]:
    if isinstance(value, list | tuple) and all(one in (*RUNNABLE, "none") for one in value):
        return []
    return ['EVENTS["RUN"] must be a list of "relay", "consume" or both, or ["none"].']


def _wrong_topics(label: str, value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return _wrong_kind(label, value, kind=Mapping, text="a dict")
    return [text for topic, sizes in value.items() for text in _wrong_topic(f"{label}[{topic!r}]", sizes)]


def _wrong_topic(label: str, sizes: object) -> list[str]:
    if not isinstance(sizes, Mapping):
        return [f"{label} must be a dict of partitions and replication."]
    unknown = [f"{label} knows partitions and replication, not {name!r}." for name in sizes if name not in SIZES]
    wrong = (_wrong_number(f"{label}[{name!r}]", size, whole=True) for name, size in sizes.items() if name in SIZES)
    return unknown + [text for texts in wrong for text in texts]
