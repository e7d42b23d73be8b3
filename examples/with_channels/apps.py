"""The Django app of the sockets. Only `examples.with_channels.settings` installs it."""

from django.apps import AppConfig


class WithChannelsConfig(AppConfig):
    """The app `with_channels`. `events` finds its subscriber by itself."""

    name = "examples.with_channels"
    label = "with_channels"
