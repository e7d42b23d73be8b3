"""What a relay is given beside its producer and its thread: how much at once, how often, and how much room there is."""

from dataclasses import dataclass
from typing import Protocol

from events.conf import Config
from events.core.broker import Place


class Room(Protocol):
    """How much more the broker can hold. Only the embedded one has such a limit."""

    async def room(self) -> int:
        """How many bytes may be sent now; 0: wait. Raises `BrokerUnavailable`."""

    def sent(self, place: Place, size: int) -> None:
        """A record of `size` bytes is in the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """`batch`: the most rows at once. `interval_s`: seconds between two looks at an empty outbox."""

    batch: int = 500
    interval_s: float = 1.0
    lease_s: float = 15.0
    back_off_first_s: float = 0.5
    back_off_most_s: float = 15.0

    @classmethod
    def of(cls, config: Config) -> "RelayOptions":
        """As the settings say."""
        return cls(
            batch=config.RELAY_BATCH,
            interval_s=config.RELAY_INTERVAL,
            lease_s=config.LEASE,
        )
