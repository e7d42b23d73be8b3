"""What the servers are given: one factory for each application that enters.

Where a factory needs a module with models in it, it names that by a string: Django has to be set up first.
"""

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils.module_loading import import_string

from lifespan import Lifespan

# Sync code holds the interpreter's lock most of the time: a few threads keep one core busy.
THREADS = 4


def as_it_is():
    """Django as it is."""
    return get_asgi_application()


def request_threads():
    """Django with threads that last."""
    wrap = import_string("lifespan.threads.RequestThreads")
    return Lifespan(wrap(get_asgi_application(), threads=THREADS, on_thread_exit=connections.close_all))


def wsgi():
    """Django under WSGI."""
    return get_wsgi_application()


def fastapi():
    """FastAPI alone, over Django's ORM."""
    get_asgi_application()
    return import_string("benchmarks.bare_fastapi.api")


def fastapi_beside():
    """FastAPI beside Django, as the example has it: with Django's care for connections."""
    beside, django = import_string("examples.with_fastapi.beside.Beside"), get_asgi_application()
    return Lifespan(beside(django, import_string("examples.with_fastapi.api.api"), at="/api"))
