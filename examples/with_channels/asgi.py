"""The ASGI application with sockets: Channels inside `Lifespan`, Django and its static files inside Channels.

    Lifespan              holds the relay and the consumers open, and closes the sockets at a stop
      ProtocolTypeRouter
        http              Django with its static files, as in `config.asgi`
        websocket         origin, then session and user, then the address

Run `uvicorn examples.with_channels.asgi:application` and open `/sockets/`.
"""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from lifespan import Lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.with_channels.settings")

# After the line above: this sets Django up, which the others need.
from config.asgi import django
from events.worker import broadcasting, consuming, relaying, sending
from examples.with_channels.routes import routes
from examples.with_channels.sockets import closing_sockets

sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
application = Lifespan(
    ProtocolTypeRouter({"http": django, "websocket": sockets}),
    sending,
    relaying,
    consuming,
    broadcasting,
    closing_sockets,
)
