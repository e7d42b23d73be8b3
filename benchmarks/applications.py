"""What the servers are given: one factory for each application that enters.

Where a factory needs a module with models in it, it names that by a string: Django has to be set up first.
"""

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils.module_loading import import_string

from events.asgi import get_asgi_application as our_asgi_application
from events.request_connections import in_transaction, leave_clean, refresh
from lifespan import Lifespan
from lifespan.threads import RequestThreads, lent, let_go


def as_it_is():
    """Django as it is."""
    return get_asgi_application()


def request_threads():
    """Django with threads that last."""
    return Lifespan(lending(get_asgi_application()))


def handler():
    """Our handler, on a thread of its own for each request, as Django's."""
    return Lifespan(our_asgi_application())


def handler_and_threads():
    """Our handler with threads that last."""
    return Lifespan(lending(our_asgi_application(lent=lent, let_go=let_go)))


def lending(app):
    """RequestThreads: as many as by default, with the hooks that Django's connections need."""
    return RequestThreads(
        app, on_lend=refresh, in_use=in_transaction, on_return=leave_clean, on_thread_exit=connections.close_all
    )


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
