"""The addresses of the project, and one view that does nothing."""

from django.http import HttpResponse
from django.urls import path

from config.urls import urlpatterns as of_the_project


async def nothing(request):
    """The least that a view can do."""
    return HttpResponse(b"ok")


urlpatterns = [path("nothing/", nothing), *of_the_project]
