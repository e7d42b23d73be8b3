"""Connections around FastAPI's calls, where no database server is needed: who tidies which thread, and when."""

import threading
from typing import Annotated

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from fastapi import APIRouter, Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from examples.with_fastapi import connections
from examples.with_fastapi.connections import DjangoRoute, Tidied, tidied

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def noted(monkeypatch):
    """What happened in which thread, in order: "tidy", "call"."""
    happened = []
    real = connections.close_old_connections

    def close_old_connections():
        happened.append(("tidy", threading.current_thread()))
        real()

    monkeypatch.setattr(connections, "close_old_connections", close_old_connections)
    return happened


@pytest.fixture
def router():
    return APIRouter(route_class=DjangoRoute)


async def asked(router, address="/it"):
    """The answer of an API with these routes."""
    api = FastAPI()
    api.include_router(router)
    async with AsyncClient(transport=ASGITransport(api, raise_app_exceptions=False), base_url="http://test") as client:
        return await client.get(address)


def look(noted):
    """Use the database, as an endpoint does; say in which thread that was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    noted.append(("call", threading.current_thread()))


def told(noted):
    """What happened, if all of it was in one thread."""
    assert len({thread for _, thread in noted}) == 1
    return [what for what, _ in noted]


async def test_a_def_endpoint_is_tidied_in_the_thread_that_runs_it(router, noted):
    @router.get("/it")
    def it() -> str:
        look(noted)
        return "done"

    answer = await asked(router)

    assert answer.json() == "done"
    assert told(noted) == ["tidy", "call", "tidy"]


async def test_an_async_endpoint_is_tidied_in_the_thread_of_the_async_orm(router, noted):
    @router.get("/it")
    async def it() -> str:
        await sync_to_async(look)(noted)
        return "done"

    assert (await asked(router)).json() == "done"
    assert told(noted) == ["tidy", "call", "tidy"]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_endpoint_that_fails_is_tidied_too(router, noted, kind):
    def fails() -> None:
        raise RuntimeError("on purpose")

    async def fails_async() -> None:
        raise RuntimeError("on purpose")

    router.add_api_route("/it", fails if kind == "def" else fails_async)

    answer = await asked(router)

    assert answer.status_code == 500
    assert told(noted) == ["tidy", "tidy"]


async def test_an_async_dependency_and_its_endpoint_share_one_tidying(router, noted):
    async def user(_: Tidied) -> str:
        return "ada"

    @router.get("/it")
    async def it(user: Annotated[str, Depends(user)]) -> str:
        return user

    assert (await asked(router)).json() == "ada"
    assert told(noted) == ["tidy", "tidy"]


async def test_a_def_dependency_is_tidied_where_it_says_so(router, noted):
    def user() -> str:
        look(noted)
        return "ada"

    @router.get("/it")
    async def it(user: Annotated[str, Depends(tidied(user))]) -> str:
        return user

    assert (await asked(router)).json() == "ada"
    by_thread = {thread: [what for what, where in noted if where is thread] for _, thread in noted}
    assert sorted(by_thread.values()) == [["tidy", "call", "tidy"], ["tidy", "tidy"]]


async def test_the_wrapped_endpoint_keeps_its_parameters(router, noted):
    @router.get("/it")
    def it(size: int) -> int:
        return size

    assert (await asked(router, "/it?size=3")).json() == 3
    assert (await asked(router, "/it?size=three")).status_code == 422
