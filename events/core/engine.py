"""`Engine`: the consumer loop of one group: fetch, handle, commit; drain when partitions are taken away."""

from dataclasses import dataclass

from events.core.broker import Consumer
from events.core.outcome import Handle


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """`batch`: the most records of one `handle` call. `concurrency`: the most calls at once. `buffer`: the most
    records of one partition that are fetched and not closed. `drain_s`: how long running calls are waited for.
    """

    batch: int = 1
    concurrency: int = 64
    buffer: int = 1000
    commit_interval_s: float = 1.0
    drain_s: float = 10.0


class Engine:
    """One consumer and one function. Used once: after `run` has ended, build a new engine and consumer."""

    def __init__(
        self, consumer: Consumer, handle: Handle, options: EngineOptions = EngineOptions(), *, name: str = ""
    ) -> None:
        self._consumer, self._handle, self._options, self._name = consumer, handle, options, name

    def stop(self) -> None:
        """Ask `run` to stop fetching, let running calls finish, commit and leave. Comes back at once."""

    async def run(self) -> None:
        """Run until `stop`. Raises what start or fetch of the consumer raised (`BrokerError`)."""
