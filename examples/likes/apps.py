"""The Django app of the service Likes."""

from django.apps import AppConfig


class LikesConfig(AppConfig):
    """The app `likes`. `events` finds its subscribers by itself."""

    name = "examples.likes"
    label = "likes"
    default_auto_field = "django.db.models.BigAutoField"
