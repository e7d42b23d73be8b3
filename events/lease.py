"""`HeldLease`: one row that says which process may relay, until when. The database's clock decides, nobody else's.

    relay A   take ── keep ── keep ── keep ──✗ killed
    relay B        no    no    no    no        no … no   take      (LEASE seconds after A's last keep)

Rules
* To take and to keep is one UPDATE: two relays that try at once cannot both succeed.
* Who holds it counts the time from before that UPDATE was sent, on its own clock, and stops a margin earlier. So it
  has stopped before anybody else begins, unless its whole process stood still meanwhile; then both may send the same
  rows, which the inbox of the consumers drops.
* A clean stop releases it, and the next relay starts at its next look.

No session lock of PostgreSQL: those break behind a pool that works per transaction.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler

from events.conf import config
from events.core.errors import LeaseLost
from events.database import Thread
from events.deadlock import anew_after_deadlock
from events.models import Lease

MARGIN = 0.2
"""The part of the lease before whose end everything must have stopped."""

RENEW_AFTER = 1 / 3
"""The part of the lease after which it is renewed."""

RELEASE_WITHIN_S = 2.0

log = logging.getLogger("events.relay")


class DatabaseNow(Now):
    """The database's clock. Django's `Now` is local time on MySQL, which in autumn goes back by an hour."""

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, Any]:
        """The same in UTC."""
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


class HeldLease:
    """The lease `name` of `seconds`, as this object holds it or not. `thread`: where the database is asked."""

    def __init__(self, thread: Thread, seconds: float, name: str = "relay") -> None:
        self.name, self.seconds, self._thread = name, seconds, thread
        self.owner = new_owner()
        self._taken_at = -seconds
        self._why = ""

    @property
    def left_s(self) -> float:
        """Seconds for which we may still work; 0 when it is not ours."""
        return max(0.0, self._taken_at + self.seconds * (1 - MARGIN) - time.monotonic())

    @property
    def due_s(self) -> float:
        """Seconds until it should be renewed; 0 when it is not ours."""
        return max(0.0, self._taken_at + self.seconds * RENEW_AFTER - time.monotonic())

    async def take(self) -> bool:
        """Take it, or renew it. False: another process holds it. Raises what the database raises."""
        asked_at = time.monotonic()
        taken = await self._thread.run(take, self.name, self.owner, seconds=self.seconds)
        self._taken_at = asked_at if taken else -self.seconds
        return taken

    async def hold(self) -> bool:
        """Take or renew it when that is due. False: another process holds it."""
        if self.due_s:
            return True
        held = self.left_s > 0
        if (taken := await self.take()) != held:
            log.info("This process relays: %s." if taken else "Another process relays, not %s.", self.owner)
        return taken

    async def hold_at_last(self) -> None:
        """Hold it, and wait for it as long as a dead holder keeps it. Raises `LeaseLost`: somebody else lives."""
        patience = time.monotonic() + self.seconds
        while not await self.hold():
            if time.monotonic() > patience:
                other = await self._thread.run(holder, self.name)
                raise LeaseLost(f"Another relay is at work: {other}. Stop it first, or leave the outbox to it.")
            await asyncio.sleep(min(1.0, self.seconds / 10))

    async def during[Result](self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work and keep the lease meanwhile. Raises `LeaseLost` when that fails; the work is then cancelled.

        With no lease left the work does not begin: what it was prepared from may be old.
        """
        if not self.left_s:
            work.close()
            raise LeaseLost("The lease of the relay ended before the work began: the database or Kafka answers slowly.")
        working, keeping = asyncio.create_task(work), asyncio.create_task(self.keep())
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else keeping.result()
        finally:
            working.cancel()
            keeping.cancel()
            await asyncio.wait({working, keeping})

    async def keep(self) -> NoReturn:
        """Renew it again and again. Raises `LeaseLost` in good time when that does not succeed."""
        while True:
            await asyncio.sleep(self.due_s)
            await self._renew()

    async def release(self) -> None:
        """Give it up, so that the next one need not wait. Never raises, never hangs."""
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(RELEASE_WITHIN_S):
                await self._thread.run(release, self.name, self.owner)
        self._taken_at = -self.seconds

    async def _renew(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.left_s):
                try:
                    self._why = "" if await self.take() else "another process has taken it"
                except Error as error:
                    self._why = str(error)
                    await asyncio.sleep(self.seconds / 30)
        if not self.left_s:
            raise LeaseLost(f"The lease of the relay is lost: {self._why or 'the database does not answer'}.")


def new_owner() -> str:
    """A name for one who takes leases: host, process id and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def take(name: str, owner: str, *, seconds: float) -> bool:
    """Take or renew a lease for an owner, if no other holds it."""
    if _all().filter(Q(name=name) & ~Q(owner=owner), until__gt=DatabaseNow()).exists():
        return False  # a look costs less than a write that changes nothing: on SQLite that locks everybody out
    # Several who find no row yet and create it may be a deadlock for MySQL.
    return anew_after_deadlock(config().DATABASE, lambda: _write(name, owner, seconds=seconds))


def release(name: str, owner: str) -> None:
    """Let a lease end now, if this owner holds it."""
    _all().filter(name=name, owner=owner).update(until=DatabaseNow(), owner="")


def holder(name: str = "relay") -> str:
    """Who holds the lease: host, process id and a random part. Empty: nobody."""
    return _all().filter(name=name, until__gt=DatabaseNow()).values_list("owner", flat=True).first() or ""


def _all() -> QuerySet[Lease]:
    return Lease.objects.using(config().DATABASE)


def _write(name: str, owner: str, *, seconds: float) -> bool:
    return _update(name, owner, seconds=seconds) or (_create(name) and _update(name, owner, seconds=seconds))


def _update(name: str, owner: str, *, seconds: float) -> bool:
    free = _all().filter(Q(owner=owner) | Q(until__lte=DatabaseNow()), name=name)
    return bool(free.update(owner=owner, token=F("token") + 1, until=DatabaseNow() + timedelta(seconds=seconds)))


def _create(name: str) -> bool:
    _all().bulk_create([Lease(name=name, until=DatabaseNow())], ignore_conflicts=True)
    return True
