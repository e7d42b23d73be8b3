"""`Beside`: who is asked, and what the mounted application sees of the address."""

import pytest

from examples.with_fastapi.beside import Beside


class Noting:
    """An application that notes its scopes."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)


class Socket:
    """A websocket's client: it connects, and notes what is said."""

    def __init__(self):
        self.said = []

    async def receive(self):
        return {"type": "websocket.connect"}

    async def send(self, message):
        self.said.append(message["type"])


@pytest.fixture
def django():
    return Noting()


@pytest.fixture
def other():
    return Noting()


@pytest.fixture
def beside(django, other):
    return Beside(django, other, at="/api")


@pytest.mark.parametrize("path", ["/", "/apis", "/apis/", "/quotes/api/", "/API/"])
async def test_other_addresses_go_to_django_untouched(beside, django, other, path):
    scope = {"type": "http", "path": path, "root_path": ""}

    await beside(scope, None, None)

    assert django.scopes[0] is scope
    assert other.scopes == []


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/docs"])
async def test_the_mount_and_what_lies_below_goes_to_the_other(beside, django, other, path):
    scope = {"type": "http", "path": path}

    await beside(scope, None, None)

    assert django.scopes == []
    assert other.scopes == [{"type": "http", "path": path, "root_path": "/api"}]
    assert "root_path" not in scope


@pytest.mark.parametrize("path", ["/shop/api/docs", "/api/docs"])
async def test_behind_a_proxy_the_prefix_stays_in_front_whether_the_server_gives_it_or_not(beside, other, path):
    await beside({"type": "http", "path": path, "root_path": "/shop"}, None, None)

    assert other.scopes == [{"type": "http", "path": "/shop/api/docs", "root_path": "/shop/api"}]


async def test_a_websocket_below_the_mount_goes_to_the_other(beside, other):
    await beside({"type": "websocket", "path": "/api/echo"}, None, None)

    assert other.scopes[0]["root_path"] == "/api"


async def test_a_websocket_elsewhere_is_refused_and_django_is_not_asked(beside, django):
    socket = Socket()

    await beside({"type": "websocket", "path": "/echo"}, socket.receive, socket.send)

    assert socket.said == ["websocket.close"]
    assert django.scopes == []


async def test_the_lifespan_goes_to_the_other_alone(beside, django, other):
    await beside({"type": "lifespan"}, None, None)

    assert other.scopes == [{"type": "lifespan"}]
    assert django.scopes == []
