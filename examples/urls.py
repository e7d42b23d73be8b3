"""The addresses that belong to neither service: the permissions list."""

from django.urls import path

from examples.permissions import alist_permissions, list_permissions

app_name = "examples"
urlpatterns = [
    path("permissions/sync/", list_permissions, name="permissions"),
    path("permissions/async/", alist_permissions, name="apermissions"),
]
