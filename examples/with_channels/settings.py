"""The project with sockets: Channels with its in-memory layer, and the app whose subscriber feeds it.

uvicorn examples.with_channels.asgi:application, and then http://127.0.0.1:8000/sockets/
"""

from config.settings import *  # noqa: F403 - an example's settings are the project's and what differs
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "examples.with_channels"]
ROOT_URLCONF = "examples.with_channels.root_urls"
ASGI_APPLICATION = "examples.with_channels.asgi.application"

# In memory: what one process sends, no other hears. None needs to, each hears the events from Kafka itself.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
