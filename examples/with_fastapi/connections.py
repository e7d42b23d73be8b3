"""Django's database connections around FastAPI's calls.

A connection belongs to the thread that opened it. Django's handler checks the connections of a request's thread before
and after it: those that broke or are older than `CONN_MAX_AGE` are closed. FastAPI knows nothing of that, so nobody
does, and a connection that the server has dropped fails in that thread for ever. Two kinds of threads are meant:

    def endpoint        a thread of anyio's pool, another one each time  -> `DjangoRoute` wraps the function itself
    async def endpoint  the async ORM's thread, which asgiref chooses    -> `Tidied`, before it and after the response

Rules
* A dependency may run in another thread than its endpoint. One that uses the ORM is `async def` and asks for `Tidied`,
  or is a `def` function inside `tidied(...)`.
* An endpoint returns rows, not a QuerySet: FastAPI would read that in yet another thread of the pool.
* Each thread of the pool may hold a connection: `api.THREADS` says how many there are.
"""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections, reset_queries
from fastapi import Depends
from fastapi.routing import APIRoute


def tidied[**P, Result](function: Callable[P, Result]) -> Callable[P, Result]:
    """The same `def` function, with the connections of its thread tidied before and after."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        tidy()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return call


async def tidied_async() -> AsyncIterator[None]:
    """The same for what follows in this request: a dependency, which FastAPI asks once a request."""
    await sync_to_async(tidy)()
    try:
        yield
    finally:
        await sync_to_async(close_old_connections)()


Tidied = Annotated[None, Depends(tidied_async)]
"""For a dependency that uses the async ORM: `async def user(_: Tidied) -> ...`."""


def tidy() -> None:
    """What Django's handler does when a request starts."""
    reset_queries()  # with DEBUG Django keeps every query of a thread, for ever
    close_old_connections()


class DjangoRoute(APIRoute):
    """A route whose endpoint finds Django's connections as a view does: `APIRouter(route_class=DjangoRoute)`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if iscoroutinefunction(endpoint):
            options["dependencies"] = [Depends(tidied_async), *(options.get("dependencies") or ())]
        else:
            endpoint = tidied(endpoint)
        super().__init__(path, endpoint, **options)
