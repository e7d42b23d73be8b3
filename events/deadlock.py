"""What MySQL makes of some who wait for the same row: one is a deadlock's victim, and may begin anew."""

from collections.abc import Callable

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

TIMES = 20
"""So often a call begins anew."""

MYSQL_DEADLOCK = 1213


def anew_after_deadlock[Result](alias: str, call: Callable[[], Result]) -> Result:
    """Call `call`, again if it was a deadlock's victim. Raises what it raises otherwise, and the 21st deadlock.

    `alias`: of the database. Nothing may have been written before in the same transaction: the server has undone all
    of it, and the next statement begins another one.
    """
    for _ in range(TIMES):
        try:
            return call()
        except OperationalError as error:
            if not _may_begin_anew(connections[alias], error):
                raise
    return call()


def _may_begin_anew(connection: BaseDatabaseWrapper, error: OperationalError) -> bool:
    # In a savepoint it would be wrong: what the transactions around it wrote would be missing.
    return connection.vendor == "mysql" and error.args[:1] == (MYSQL_DEADLOCK,) and not connection.savepoint_ids
