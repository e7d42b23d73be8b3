"""The ASGI application with FastAPI at `/api`, beside Django: `uvicorn examples.with_fastapi.asgi:application`.

Lifespan              holds the relay and the consumers open, and passes the lifespan on to FastAPI
  Beside
    /api              FastAPI, with pages of its own at /api/docs
    else              Django with its static files, as in `config.asgi`
"""

import os

from django.core.asgi import get_asgi_application

from config.static_files import with_static_files
from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = with_static_files(get_asgi_application())

from events.worker import consuming, relaying, sending  # noqa: E402 - models need Django set up, which is done above
from examples.with_fastapi.api import api  # noqa: E402
from examples.with_fastapi.beside import Beside  # noqa: E402

application = Lifespan(Beside(django, api, at="/api"), sending, relaying, consuming)
