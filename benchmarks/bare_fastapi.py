"""The permissions list of `examples.with_fastapi` without what Django's connections need: the peer to measure against.

Nobody checks or closes a connection here, so one that the database has dropped fails for ever. It is how FastAPI over
Django's ORM is commonly written, and the fastest form of it.
"""

from typing import Any

from django.contrib.auth.models import Permission
from fastapi import FastAPI
from pydantic import BaseModel


class PermissionItem(BaseModel):
    """One permission."""

    pk: int
    name: str


class Permissions(BaseModel):
    """All permissions, in the model's own order."""

    items: list[PermissionItem]


api = FastAPI()


@api.get("/permissions/sync", response_model=Permissions)
def list_permissions() -> dict[str, Any]:
    """All permissions, read by a `def` endpoint in a thread of FastAPI's pool."""
    return {"items": list(Permission.objects.values("pk", "name"))}


@api.get("/permissions/async", response_model=Permissions)
async def alist_permissions() -> dict[str, Any]:
    """All permissions, read by the async ORM."""
    return {"items": [row async for row in Permission.objects.values("pk", "name")]}
