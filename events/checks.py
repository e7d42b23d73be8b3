"""System checks: what can be known of settings, events and subscribers without a broker and without a connection.

| id   | when |
|------|------|
| E001 | `EVENTS` is malformed: an unknown key, a wrong value, an unknown name in `RUN`, an address that is none |
| E002 | two event classes of one topic share a type |
| E003 | a subscriber names no group, and `EVENTS["GROUP"]` is empty |
| E004 | `EVENTS["DATABASE"]` is not in `DATABASES` |
| E005 | `EVENTS["PRODUCER"]` or `EVENTS["CONSUMER"]` holds what the client does not know, or what breaks a promise |
| E006 | no `EVENTS["BOOTSTRAP_SERVERS"]` without `DEBUG` (`--deploy`: `manage.py test` runs without `DEBUG` too) |
| E007 | two subscribers share a name in one group, or a group that is one subscriber's own |
| E008 | `EVENTS["DRAIN"]` is not below the consumer's `rebalance_timeout_ms` |
| W001 | SQLite without `transaction_mode` IMMEDIATE |
| W002 | SQLite without WAL |
| W003 | SQLite with a short time-out |
| W004 | a Kafka connection without TLS (`--deploy`) |
| W006 | `EVENTS["TOPICS"]` names a topic that no event class has |
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from events.conf import Config, config, problems_of
from events.core.event import declaration
from events.core.registry import Registry, registry
from events.kafka.arguments import problems
from events.kafka.connection import CONSUMER

SQLITE_TIMEOUT_S = 10.0
"""Below so many seconds of waiting for another writer, SQLite gives up under load."""


def check(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """All checks but those of `--deploy`."""
    if malformed := [_error(1, problem) for problem in problems_of(getattr(settings, "EVENTS", {}))]:
        return list(malformed)
    return [
        *_events(registry),
        *_groups(registry, config()),
        *_topics(registry, config()),
        *_client(config()),
        *_database(config()),
    ]


def check_deploy(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The checks of `check --deploy`."""
    if problems_of(getattr(settings, "EVENTS", {})):
        return []
    return [*_brokers(config()), *_plaintext(config())]


def register_checks() -> None:
    """Tell Django of them."""
    register(check, "kafka_events")
    register(check_deploy, "kafka_events", Tags.security, deploy=True)


def _events(known: Registry) -> Iterator[CheckMessage]:
    counted = Counter((declaration(one).topic, declaration(one).type) for one in known.events())
    for (topic, type), times in counted.items():
        if times > 1:
            yield _error(
                2,
                f"{times} event classes of topic {topic!r} have the type {type!r}.",
                hint="Rename one, or give it another name on the wire: class ...(Event, topic=..., type=...).",
            )


def _groups(known: Registry, given: Config) -> Iterator[CheckMessage]:
    names = [one.name for one in known.subscribers if one.group is None and not one.broadcast]
    if names and not given.GROUP:
        yield _error(
            3,
            f"Without a group: the subscribers {', '.join(sorted(names))}.",
            hint='Set EVENTS["GROUP"], which must then stay the same, or @subscriber(..., group=...).',
        )
    for problem in known.group_problems(given.group):
        yield _error(7, problem)


def _topics(known: Registry, given: Config) -> Iterator[CheckMessage]:
    for topic in sorted(set(given.TOPICS) - set(known.topics())):
        yield _warning(
            6,
            f'EVENTS["TOPICS"] has {topic!r}, which is the topic of no event class.',
            hint=f'Declared are: {", ".join(known.topics()) or "none"}. Write them without EVENTS["PREFIX"].',
        )


def _client(given: Config) -> Iterator[CheckMessage]:
    for problem in problems(given.PRODUCER, given.CONSUMER):
        yield _error(5, problem)
    rebalance_ms = given.CONSUMER.get("rebalance_timeout_ms", CONSUMER["rebalance_timeout_ms"])
    if isinstance(rebalance_ms, int) and rebalance_ms <= given.DRAIN * 1000:
        yield _error(
            8,
            f'EVENTS["DRAIN"] is {given.DRAIN:g} s, and a rebalance ends after {rebalance_ms / 1000:g} s: a member '
            "that still waits for its subscribers is then thrown out of the group, and their records come again.",
            hint='Lower EVENTS["DRAIN"], or raise EVENTS["CONSUMER"]["rebalance_timeout_ms"].',
        )


def _brokers(given: Config) -> Iterator[CheckMessage]:
    if given.embedded and not settings.DEBUG:
        yield _error(
            6,
            'EVENTS["BOOTSTRAP_SERVERS"] is empty, and the embedded broker runs with DEBUG only.',
            hint="Name Kafka's addresses: host:port,host:port.",
        )


def _database(given: Config) -> Iterator[CheckMessage]:
    if given.DATABASE not in settings.DATABASES:
        yield _error(
            4,
            f'EVENTS["DATABASE"] is {given.DATABASE!r}, which is not in DATABASES.',
            hint=f"Choose one of {', '.join(sorted(settings.DATABASES))}: the one with the rows that events tell of.",
        )
    elif connections[given.DATABASE].vendor == "sqlite":
        yield from _sqlite(given.DATABASE, connections.settings[given.DATABASE].get("OPTIONS", {}))


def _sqlite(alias: str, options: dict[str, Any]) -> Iterator[CheckMessage]:
    where = f'DATABASES[{alias!r}]["OPTIONS"]'
    if str(options.get("transaction_mode")).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        yield _warning(
            1,
            "SQLite's transactions begin as readers; one that then writes fails at once with 'database is locked' when "
            "another has written meanwhile, however long the time-out.",
            hint=f'{where}["transaction_mode"] = "IMMEDIATE"',
        )
    if "wal" not in str(options.get("init_command", "")).lower():
        yield _warning(
            2,
            "SQLite's readers and its writer block each other: relay, subscribers and requests work side by side.",
            hint=f'{where}["init_command"] = "PRAGMA journal_mode=WAL"',
        )
    if float(options.get("timeout", 5)) < SQLITE_TIMEOUT_S:
        yield _warning(3, "SQLite soon gives up waiting for another writer.", hint=f'{where}["timeout"] = 20')


def _plaintext(given: Config) -> Iterator[CheckMessage]:
    for name, arguments in (("PRODUCER", given.PRODUCER), ("CONSUMER", given.CONSUMER)):
        if not given.embedded and str(arguments.get("security_protocol", "PLAINTEXT")).endswith("PLAINTEXT"):
            yield _warning(
                4,
                f'EVENTS["{name}"]: what goes over the network to Kafka can be read there, passwords included.',
                hint=f'EVENTS["{name}"]["security_protocol"] = "SASL_SSL" or "SSL". In a network of your own that '
                "nobody else reads: silence this check.",
            )


def _error(number: int, text: str, *, hint: str | None = None) -> CheckMessage:
    return Error(text, hint=hint, id=f"kafka_events.E{number:03}")


def _warning(number: int, text: str, *, hint: str) -> CheckMessage:
    return Warning(text, hint=hint, id=f"kafka_events.W{number:03}")
