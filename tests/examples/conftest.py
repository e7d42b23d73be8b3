"""What the tests of the examples share: addresses as in `config`, users, callers, and events being handled."""

import base64
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from events.core.broker import Place
from events.core.envelope import Envelope, handling
from events.core.event import declaration
from events.core.identity import uuid7


@pytest.fixture(autouse=True)
def _addresses(settings):
    settings.ROOT_URLCONF = "tests.examples.urls"


@pytest.fixture
def ada(django_user_model):
    """A user who may write."""
    return django_user_model.objects.create_user("ada", password="right")


@pytest.fixture
def boss(django_user_model):
    """A user who is staff."""
    return django_user_model.objects.create_user("boss", password="right", is_staff=True)


def basic(name, password="right"):
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def script(ada):
    """A script that knows Ada's password. It checks CSRF as a real server does."""
    return Client(enforce_csrf_checks=True, headers=basic("ada"))


@pytest.fixture
def stranger():
    """A caller that nobody knows."""
    return Client(enforce_csrf_checks=True)


def post(client, address, title="Know thyself — Thales", method="POST"):
    """Send a title as JSON."""
    return client.generic(method, address, f'{{"title": {title!r}}}'.replace("'", '"'), "application/json")


@contextmanager
def passing(event, took=timedelta(milliseconds=30)):
    """As if the engine were handling this event, published so long ago."""
    said = declaration(type(event))
    envelope = Envelope(
        event=event,
        id=str(uuid7()),
        type=said.type,
        source="tests",
        time=timezone.now() - took,
        key=str(getattr(event, said.key)),
        place=Place(said.topic, 0, 0),
    )
    with handling([envelope]):
        yield event


def handle(subscriber, event):
    """Call a subscriber as the engine does."""
    with passing(event):
        subscriber(event)
