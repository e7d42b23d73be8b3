"""What the embedded broker is told about this project, and that it is for development only.

with held_open(config().embedded_folder, embedded_use(consumes=groups_of_this_process)) as broker:
    ...  # Kafka clients bootstrap at broker.address
"""

from collections.abc import Callable, Collection

from django.conf import settings

from events.conf import config
from events.core.registry import Registry, registry
from events.embedded.client import Use, check_allowed


def _nothing() -> None:
    pass


def embedded_use(
    *,
    consumes: Collection[str] = (),
    on_replaced: Callable[[], None] = _nothing,
    declared: Registry = registry,
) -> Use:
    """The topics and groups of the registry, as the broker knows them: with `EVENTS["PREFIX"]`.

    `consumes`: the groups, without prefix, that this process is a member of. `on_replaced`: see `Use`.
    Raises `EmbeddedBrokerRefused` without `DEBUG`.
    """
    check_allowed(debug=settings.DEBUG)
    prefix = config().PREFIX
    groups = declared.groups(config().group).values()
    return Use(
        topics={prefix + topic: config().partitions(topic) for topic in declared.topics()},
        groups={prefix + group.name: sorted(prefix + topic for topic in group.topics) for group in groups},
        consumes=[prefix + name for name in consumes],
        on_replaced=on_replaced,
    )
