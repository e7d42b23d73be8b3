"""What database connections need of threads that requests share: the hooks for `lifespan.threads.RequestThreads`.

    RequestThreads(
        app, on_lend=refresh, in_use=in_transaction, on_return=leave_clean, on_thread_exit=connections.close_all
    )

Django closes old connections when a request begins and when it ends, in the thread of that request; that goes on. The
hooks do it also where a websocket or a stream borrows for each call, and end a transaction that nobody ends any more:
Django's threads die, and the connection with them.
"""

import logging

from django.db import close_old_connections, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("events.database")


def refresh() -> None:
    """Close the connections of this thread that are broken or too old by now; what Django does as a request begins."""
    reset_queries()
    close_old_connections()


def in_transaction() -> bool:
    """Whether a transaction is open in this thread, for example that of `aatomic`."""
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))


def leave_clean() -> None:
    """Roll back what is open in this thread, and close the connections that are broken or too old.

    A connection with `CONN_MAX_AGE` stays open for the next request. One that cannot be closed is dropped, and no other
    suffers by it.
    """
    for connection in connections.all(initialized_only=True):
        try:
            _leave_clean(connection)
        except Exception:
            logger.exception("A connection to the database %r cannot be closed: dropped.", connection.alias)
            _drop(connection)


def _leave_clean(connection: BaseDatabaseWrapper) -> None:
    if connection.in_atomic_block:
        logger.warning("A request has left a transaction open on the database %r: rolled back.", connection.alias)
        connection.close()
        _drop(connection)
    else:
        connection.close_if_unusable_or_obsolete()


def _drop(connection: BaseDatabaseWrapper) -> None:
    """Forget it, with all that the wrapper knows of its blocks; the next use makes one."""
    del connections[connection.alias]
