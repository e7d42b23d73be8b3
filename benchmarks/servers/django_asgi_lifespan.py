"""django-asgi-lifespan: a subclass of Django's handler that opens registered context managers."""

import os
from contextlib import asynccontextmanager

from django_asgi_lifespan.asgi import get_asgi_application
from django_asgi_lifespan.register import register_lifespan_manager

from benchmarks.servers.kafka_by_hand import kafka

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.servers.probe.settings")
application = get_asgi_application()


@asynccontextmanager
async def lifespan():
    """Kafka, for the life of the application."""
    async with kafka():
        yield {}


register_lifespan_manager(context_manager=lifespan)
