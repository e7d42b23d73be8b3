"""Our `handle` runs where it was written after Django's, and there alone."""

import asyncio
import hashlib
import inspect

import django
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_started

from events.asgi import WRITTEN_AFTER, DjangoASGI

HANDLES = {(5, 2): "98faeb5bef800331", (6, 0): "98faeb5bef800331", (6, 1): "c91f27c7fcdc3fff"}
"""What Django's `handle` hashes to. If it changes: read what, follow it, and note it here."""


def test_djangos_handle_is_the_one_that_ours_was_written_after():
    source = inspect.getsource(ASGIHandler.handle)

    assert hashlib.sha256(source.encode()).hexdigest()[:16] == HANDLES[django.VERSION[:2]]
    assert set(HANDLES) == set(WRITTEN_AFTER)


async def test_another_django_runs_its_own(monkeypatch):
    sent = []
    monkeypatch.setattr(request_started, "asend", _noting(sent))

    for version in ((99, 0), django.VERSION):
        monkeypatch.setattr(django, "VERSION", version)
        await _get(DjangoASGI())
        sent.append(version)

    assert sent == ["request_started", (99, 0), django.VERSION]


def _noting(sent):
    async def asend(sender, **named):
        sent.append("request_started")

    return asend


async def _get(app):
    requests = asyncio.Queue()
    requests.put_nowait({"type": "http.request"})
    await app({"type": "http", "method": "GET", "path": "/nowhere/", "headers": []}, requests.get, _ignore)


async def _ignore(message):
    pass
