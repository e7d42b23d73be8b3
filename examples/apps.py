"""What both services share inside Django: the table of events that passed, the login page, the style."""

from django.apps import AppConfig


class ExamplesConfig(AppConfig):
    """The app `examples`. Each service installs it beside its own."""

    name = "examples"
    label = "examples"
    default_auto_field = "django.db.models.BigAutoField"
