"""What the embedded broker is told about this project, and that it is for development only.

with held_open(config().embedded_folder, embedded_use()) as broker:
    ...  # Kafka clients bootstrap at broker.address
"""

from collections.abc import Callable

from django.conf import settings

from events.conf import config
from events.core.registry import Registry, registry
from events.embedded.client import Use, check_allowed


def _nothing() -> None:
    pass


def embedded_use(
    *,
    on_replaced: Callable[[], None] = _nothing,
    declared: Registry = registry,
) -> Use:
    """The topics and groups of the registry, as the broker knows them: with `EVENTS["PREFIX"]`.

    Which of the groups this process is a member of is told later (`Hold.consumes`).
    `on_replaced`: see `Use`. Raises `EmbeddedBrokerRefused` without `DEBUG`.
    """
    check_allowed(debug=settings.DEBUG)
    prefix = config().PREFIX
    groups = declared.groups(config().group).values()
    return Use(
        topics={prefix + topic: config().partitions(topic) for topic in declared.topics()},
        groups={prefix + group.name: sorted(prefix + topic for topic in group.topics) for group in groups},
        on_replaced=on_replaced,
    )
