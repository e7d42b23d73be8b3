"""The probe's one subscriber: it makes each process a member of the group."""

from events import subscriber
from tests.acceptance.servers.probe import hooks
from tests.acceptance.servers.probe.contracts import Probed


@subscriber(Probed, atomic=False, name="heard")
async def heard(event: Probed) -> None:
    """Hear it."""
    hooks.say("heard", event.name)
