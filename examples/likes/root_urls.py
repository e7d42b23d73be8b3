"""The addresses of Likes when it runs alone: its own at the root instead of below `/likes/`, and the admin."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="likes:quotes")),
    path("", include("examples.likes.urls")),
]
