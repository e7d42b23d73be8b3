"""Django mounted in Starlette, which has a lifespan: what people without ours do most."""

import os
from contextlib import asynccontextmanager

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.routing import Mount

from benchmarks.servers.kafka_by_hand import kafka

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.servers.probe.settings")


@asynccontextmanager
async def lifespan(application):
    """Kafka, for the life of the application."""
    async with kafka():
        yield


application = Starlette(routes=[Mount("/", get_asgi_application())], lifespan=lifespan)
