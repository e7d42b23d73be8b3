"""The same application inside each of the layers that `benchmarks.layers` compares."""

import os
import tempfile

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django_asgi_lifespan.handler import LifespanASGIHandler
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from benchmarks.applications import lending
from benchmarks.databases import environment
from events.asgi import get_asgi_application as our_asgi_application
from lifespan import Lifespan
from lifespan.threads import lent, let_go

BARE = "no layer"
DJANGO = "Django as it is"
LIFESPAN = "Lifespan"
STARLETTE = 'Starlette: Mount("/static"), Mount("/"), as FastStream documents'

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
BODY = {"type": "http.response.body", "body": b"ok"}


async def answer(scope, receive, send):
    """The least that an application can do."""
    await send(START)
    await send(BODY)


class Answering(ASGIHandler):
    """`answer` in the place of Django's handler, for a layer that is a subclass of that."""

    async def __call__(self, scope, receive, send):
        await answer(scope, receive, send)


class AnsweringWithLifespan(LifespanASGIHandler, Answering):
    """django-asgi-lifespan's handler, whose `super()` is `Answering`."""


def use_settings():
    """Choose the settings; no view here opens the database."""
    os.environ.update(environment("sqlite:///never-opened.sqlite3"))


def over_nothing():
    """Return {name: application} around `answer`."""
    return {
        BARE: answer,
        LIFESPAN: Lifespan(answer),
        "Lifespan, RequestThreads": Lifespan(lending(answer)),
        "Lifespan, ProtocolTypeRouter": Lifespan(ProtocolTypeRouter({"http": answer})),
        "channels: ProtocolTypeRouter": ProtocolTypeRouter({"http": answer}),
        "django-asgi-lifespan": AnsweringWithLifespan(),
        STARLETTE: _starlette(answer),
        'FastAPI: mount("/")': _fastapi(answer),
    }


def over_django():
    """Return {name: application} around Django, whose view does nothing."""
    django = get_asgi_application()
    return {
        DJANGO: django,
        LIFESPAN: Lifespan(django),
        "Lifespan, RequestThreads": Lifespan(lending(django)),
        "Lifespan, our handler": Lifespan(our_asgi_application()),
        "Lifespan, RequestThreads, our handler": Lifespan(lending(our_asgi_application(lent=lent, let_go=let_go))),
        "channels: ProtocolTypeRouter": ProtocolTypeRouter({"http": django}),
        "django-asgi-lifespan": LifespanASGIHandler(),
        STARLETTE: _starlette(django),
        'FastAPI: mount("/")': _fastapi(django),
    }


def _starlette(app):
    static = StaticFiles(directory=tempfile.gettempdir())
    return Starlette(routes=[Mount("/static", static), Mount("/", app)])


def _fastapi(app):
    application = FastAPI()
    application.mount("/", app)
    return application
