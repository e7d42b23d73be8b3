"""The addresses of the sockets."""

from django.urls import path, re_path

from examples.with_channels.echo import Echo
from examples.with_channels.quote_likes import QuoteLikes
from examples.with_channels.sockets import NoSocket

routes = [
    path("ws/echo/", Echo.as_asgi()),
    path("ws/quotes/<int:quote_id>/", QuoteLikes.as_asgi()),
    re_path("", NoSocket.as_asgi()),
]
