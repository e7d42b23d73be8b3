"""The Django app of the service Quotes."""

from django.apps import AppConfig


class QuotesConfig(AppConfig):
    """The app `quotes`. `events` finds its subscribers by itself."""

    name = "examples.quotes"
    label = "quotes"
    default_auto_field = "django.db.models.BigAutoField"
