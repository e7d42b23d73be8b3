"""The addresses of both services in one process, as `config` gives them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("likes/", include("examples.likes.urls")),
    path("", include("examples.quotes.urls")),
    path("", include("examples.urls")),
]
