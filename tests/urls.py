"""The addresses that the tests' Django answers."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("health/", include("events.urls"))]
