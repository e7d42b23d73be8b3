"""The ASGI application: Django, and beside it what this process runs of events.

Static files come from Django's own finders, with and without `DEBUG`, so that no build step stands before the first
page. A busy site serves them from a web server or a CDN: `manage.py collectstatic`.
"""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from events.worker import consuming, relaying, sending  # noqa: E402 - models need Django set up, which is done above

application = Lifespan(django, sending, relaying, consuming)
