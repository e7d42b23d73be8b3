"""Dead letters: records that were given up on, with their bytes and what went wrong."""

from events.conf import config
from events.models import HeldRecord


def bury(row: HeldRecord) -> None:
    """Keep a record that cannot be handled: `HeldRecord.holding(...).failed_with(...)`.

    Once only: a record that Kafka hands over again, and that fails again, has its row already.
    """
    HeldRecord.objects.using(config().DATABASE).bulk_create([row], ignore_conflicts=True)
