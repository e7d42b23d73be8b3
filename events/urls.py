"""The addresses of health: `path("health/", include("events.urls"))`. Each works with and without its last slash."""

from django.urls import path, re_path

from events.views import health

app_name = "events"

urlpatterns = [
    path("", health, {"probe": ""}, name="health"),
    re_path(r"^live/?$", health, {"probe": "live"}, name="live"),
    re_path(r"^ready/?$", health, {"probe": "ready"}, name="ready"),
]
