"""The API beside Django in this process, and its callers."""

import pytest
from django.core.asgi import get_asgi_application
from django.test import Client
from httpx import ASGITransport, AsyncClient

from examples.with_fastapi.api import api
from examples.with_fastapi.beside import Beside


@pytest.fixture(autouse=True)
def _addresses(settings):
    settings.ROOT_URLCONF = "tests.examples.urls"


@pytest.fixture
def application():
    """Django, and the API at `/api`."""
    return Beside(get_asgi_application(), api, at="/api")


@pytest.fixture
async def caller(application):
    """A caller that nobody knows."""
    async with AsyncClient(transport=ASGITransport(application), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def cookies(transactional_db, django_user_model):
    """The cookies of a browser in which Ada has signed in."""
    ada = django_user_model.objects.create_user("ada", password="right")
    browser = Client()
    browser.force_login(ada)
    browser.get("/session/")
    return {name: morsel.value for name, morsel in browser.cookies.items()}


@pytest.fixture
def browser(caller, cookies):
    """The browser of Ada, which sends no CSRF token by itself."""
    caller.cookies.update(cookies)
    return caller


@pytest.fixture
def token(cookies):
    """The header that a page of ours sends."""
    return {"X-CSRFToken": cookies["csrftoken"]}
