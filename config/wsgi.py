"""The WSGI application: HTTP alone. Relay and consumers need an event loop; run them with the commands."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
