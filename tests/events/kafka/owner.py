"""`RecordingOwner`: stands in for an engine and remembers what its consumer tells it."""

from events.core.broker import Claim, Partition


class RecordingOwner:
    """Owns what it is given. `calls` is what it was told; `on_give_up` may be a coroutine function to run then."""

    def __init__(self, on_give_up=None):
        self.owned, self.calls, self.lost_because = set(), [], []
        self._on_give_up = on_give_up

    def report(self):
        return [Claim(partition, draining=False) for partition in sorted(self.owned)]

    def apply(self, assigned, release=()):
        self.calls.append(("apply", sorted(assigned)))
        self.owned = {Partition(*one) for one in assigned}

    async def give_up(self):
        self.calls.append(("give_up", sorted(self.owned)))
        if self._on_give_up:
            await self._on_give_up()
        self.owned = set()

    def lost(self, why):
        self.calls.append(("lost", why))
        self.lost_because.append(why)
        self.owned = set()


async def collect(consumer, owner, count, at_most=500):
    """Fetch until `count` records came."""
    records = []
    while len(records) < count:
        for some in (await consumer.fetch(owner.owned, at_most)).values():
            records.extend(some)
    return records
