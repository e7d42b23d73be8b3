"""The ASGI application with FastAPI at `/api`, beside Django: `uvicorn examples.with_fastapi.asgi:application`.

Lifespan              holds the relay and the consumers open, and passes the lifespan on to FastAPI
  Beside
    /api              FastAPI, with pages of its own at /api/docs
    else              Django with its static files, as in `config.asgi`
"""

import os

from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# After the line above: this sets Django up, which the others need.
from config.asgi import django
from events.worker import broadcasting, consuming, relaying, sending
from examples.with_fastapi.api import api
from examples.with_fastapi.beside import Beside

application = Lifespan(Beside(django, api, at="/api"), sending, relaying, consuming, broadcasting)
