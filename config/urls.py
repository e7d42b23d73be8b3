"""The addresses of the project: the admin, health, and the examples when they are there."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

PREFIXES = {"examples.likes": "likes/", "examples.quotes": "", "examples": ""}

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("health/", include("events.urls")),
    *(path(prefix, include(f"{app}.urls")) for app, prefix in PREFIXES.items() if app in settings.EXAMPLES),
]
