"""Sockets without a server: the routes as `asgi.py` wraps them, a session of a user, and the layer."""

from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.test import Client

from examples.quotes.models import Quote
from examples.with_channels.routes import routes

ORIGIN = "http://testserver"
TIMEOUT_S = 10


@pytest.fixture(autouse=True)
def layer(settings):
    """A new in-memory layer, and one host whose pages may open sockets."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.ALLOWED_HOSTS = ["testserver"]
    return get_channel_layer()


@pytest.fixture
def quote(transactional_db):
    """A quote that nobody likes yet."""
    new = Quote.of("Know thyself — Thales")
    new.save()
    return new


@pytest.fixture
def session(ada):
    """The cookie of Ada, who is signed in."""
    client = Client()
    client.force_login(ada)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


class Browser(WebsocketCommunicator):
    """A socket as a browser opens it. Its waits are long: a busy machine is no failure."""

    async def open(self):
        """Whether it was accepted, and its subprotocol; or the code with which it was refused."""
        return await self.connect(TIMEOUT_S)

    async def said(self):
        """The next JSON that comes."""
        return await self.receive_json_from(TIMEOUT_S)

    async def code(self):
        """The code with which it is closed."""
        told = await self.receive_output(TIMEOUT_S)
        assert told["type"] == "websocket.close", told
        return told["code"]


@asynccontextmanager
async def browser(path, *, session=None, origin=ORIGIN):
    """A socket that is left at the end."""
    headers = [(b"origin", origin.encode())] if origin else []
    if session:
        headers.append((b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={session}".encode()))
    application = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
    socket = Browser(application, path, headers)
    try:
        yield socket
    finally:
        await socket.disconnect(timeout=TIMEOUT_S)


def in_thread(function, *arguments):
    """Run what asks the database outside the loop."""
    return sync_to_async(function)(*arguments)
