"""The addresses of this example: the page with the sockets, and the whole project."""

from django.urls import include, path

from examples.with_channels.page import page

urlpatterns = [
    path("sockets/", page, name="sockets"),
    path("", include("config.urls")),
]
