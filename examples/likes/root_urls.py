"""The addresses of Likes when it runs alone: the project's, and its own at the root instead of below `/likes/`."""

from django.urls import include, path
from django.views.generic import RedirectView

from config.urls import urlpatterns as of_the_project

urlpatterns = [
    *of_the_project,
    path("", RedirectView.as_view(pattern_name="likes:quotes")),
    path("", include("examples.likes.urls")),
]
