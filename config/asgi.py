"""The ASGI application: Django, and beside it what this process runs of events.

    Lifespan            holds the relay and the consumers open, from the server's startup to its shutdown
      static files      answered before Django is reached
        Django

The outermost layer starts first and stops last, so that a request always finds what it needs.
"""

import os

from django.core.asgi import get_asgi_application

from config.static_files import with_static_files
from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = with_static_files(get_asgi_application())

from events.worker import broadcasting, consuming, relaying, sending  # noqa: E402 - models need Django set up, which is done above

application = Lifespan(django, sending, relaying, consuming, broadcasting)
