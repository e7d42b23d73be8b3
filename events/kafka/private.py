"""The private names of aiokafka that we rely on, what each is for, and the check that they are there.

They are few, each is a guard that the public names cannot give, and a contract test runs against every version that
`pyproject.toml` allows. What the guards are against is measured: see the comments where they are used.
"""

from collections.abc import Mapping
from typing import Any

import aiokafka

from events.core.errors import BrokerError

SUPPORTED = "aiokafka>=0.14,<0.15"

type Names = Mapping[str, str]

CLIENT: Names = {
    "_get_conn": "never to let the brokers create a topic behind the user's back",
    "force_metadata_update": "not to spin while a partition has no leader",
    "_md_update_fut": "to let tasks end that wait for metadata when the client closes",
    "cluster.partitions_for_topic": "to see at once that a topic is not there",
    "cluster.unauthorized_topics": "to tell a topic that is not there from one that may not be seen",
    "_metadata_update": "to know whether any broker answers",
    "bootstrap": "to tell brokers that refuse our log-in from brokers that are away",
    "hosts": "to tell brokers that refuse our log-in from brokers that are away",
    "_security_protocol": "to tell brokers that refuse our log-in from brokers that are away",
    "add_topic": "to see at once that a topic is not there",
}
CONNECTION: Names = {"send": "never to let the brokers create a topic behind the user's back"}
CONSUMER: Names = {
    "_client": "for the guards of the client",
    "_coordinator.generation": "to know that the group has thrown us out",
    "_coordinator._do_commit_offsets": "to refuse a commit that would rewind the group",
    "_coordinator.member_id": "to know whether it joins for the first time",
    "_coordinator.group_id": "to leave the group while a join is parked",
    "_client.coordinator_lookup": "to leave the group when the coordinator has moved",
    "_client.send": "to leave the group while a join is parked",
    "_coordinator._send_req": "to know the id under which the group knows us, and to leave",
    "_coordinator.close": "to leave the group",
    "_closed": "to let no fetch begin while the consumer stops",
    "_coordinator.reset_generation": "to end the heartbeat of a member that leaves",
    "_coordinator._coordination_task": "to stop while a join is parked",
    "_coordinator._closing": "to stop while a join is parked",
    "_coordinator._stop_heartbeat_task": "to stop while a join is parked",
    "_coordinator._stop_commit_offsets_refresh_task": "to stop while a join is parked",
    "_fetcher.close": "to stop while a join is parked",
    "_subscription.abort_waiters": "to wake a fetch that waits for an assignment when the consumer stops",
    "_subscription.register_fetch_waiters": "to wake only those fetches that hear of it",
    "_subscription.subscription": "to know the position without waiting for it, and when the ownership changes",
}
LISTENER: Names = {
    "_client": "for the guards of the client, and to see partitions that are new",
    "_fetcher.close": "to stop in time",
    "_subscription.subscription": "to know the position without waiting for it",
}
PRODUCER: Names = {
    "client": "for the guards of the client",
    "_sender.close": "to close a producer that cannot flush",
    "_closed": "to close a producer that cannot flush",
}


def require(target: object, names: Names) -> None:
    """Raise `BrokerError` when a name is missing: this version of aiokafka was never tried."""
    for path, purpose in names.items():
        if not _has(target, path):
            raise BrokerError(
                f"aiokafka {aiokafka.__version__} has no {type(target).__name__}.{path}, which events needs {purpose}. "
                f"Install a version that is supported: {SUPPORTED}."
            )


def assignment(client: Any) -> Any:
    """What an `AIOKafkaConsumer` owns, a new object for each assignment; None before the first."""
    subscription = client._subscription.subscription
    return subscription.assignment if subscription else None


def _has(target: object, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(target, name):
            return False
        target = getattr(target, name)
    return True
