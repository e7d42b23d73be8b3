"""`running()`: a lifespan in a test, and how failures reach the test."""

from contextlib import asynccontextmanager

import httpx
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from lifespan import Lifespan, NotStarted, current
from lifespan.testing import running


async def nothing(scope, receive, send):
    """An application that is never asked."""


@asynccontextmanager
async def producing(run):
    yield {"producer": "there"}


@asynccontextmanager
async def not_starting(run):
    raise OSError("no broker")
    yield


@asynccontextmanager
async def not_stopping(run):
    yield
    raise OSError("not flushed")


async def test_it_gives_the_state_while_the_application_is_up():
    async with running(Lifespan(nothing, producing)) as state:
        run = current()
        assert state == {"producer": "there"}

    assert run.stage == "ended"


async def test_a_failed_start_is_raised():
    with pytest.raises(NotStarted, match="not started: not_starting: OSError: no broker"):
        async with running(Lifespan(nothing, not_starting)):
            pytest.fail("it is up")


async def test_a_failed_shutdown_is_raised():
    with pytest.raises(RuntimeError, match="not_stopping: OSError: not flushed"):
        async with running(Lifespan(nothing, not_stopping)):
            pass


async def test_a_failed_run_is_raised_at_the_end_and_stops_no_process():
    async def fail():
        async with running(Lifespan(nothing, producing)):
            current().fail(ValueError("lost the broker"))
            await current().draining.wait()

    with pytest.raises(RuntimeError, match="ValueError: lost the broker"):
        await fail()


async def test_an_error_of_the_test_passes_and_the_application_is_shut_down():
    runs = []

    async def err():
        async with running(Lifespan(nothing, producing)):
            runs.append(current())
            raise KeyError

    with pytest.raises(KeyError):
        await err()

    assert [run.stage for run in runs] == ["ended"]


async def test_an_application_without_lifespan_is_told():
    async def django(scope, receive, send):
        raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")

    with pytest.raises(NotStarted, match="not started: the application has no lifespan"):
        async with running(django):
            pytest.fail("it is up")
    with pytest.raises(NotStarted, match="not started: the application has no lifespan"):
        async with running(nothing):
            pytest.fail("it is up")


def known_in_a_thread(request):
    return JsonResponse(sorted(current().state), safe=False)


async def known_on_the_loop(request):
    return JsonResponse(sorted(current().state), safe=False)


urlpatterns = [path("thread/", known_in_a_thread), path("loop/", known_on_the_loop)]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("page", ["/thread/", "/loop/"])
async def test_with_djangos_client(page):
    async with running(Lifespan(ASGIHandler(), producing)):
        response = await AsyncClient().get(page)

    assert response.json() == ["producer"]


async def test_with_httpx_and_a_lifespan_inside():
    @asynccontextmanager
    async def caching(app):
        yield {"cache": "there"}

    async def show(request):
        return JSONResponse([request.state.cache, sorted(current().state)])

    application = Lifespan(Starlette(lifespan=caching, routes=[Route("/", show)]), producing)

    async def with_state(scope, receive, send):  # which httpx does not hand on
        await application({**scope, "state": dict(state)}, receive, send)

    async with (
        running(application) as state,
        httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://testserver") as client,
    ):
        response = await client.get("/")

    assert response.json() == ["there", ["cache", "producer"]]
