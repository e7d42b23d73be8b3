"""The permissions that Django knows, as JSON: the same list from a sync view and from an async one.

`{"items": [{"pk": 1, "name": "Can add log entry"}, ...]}`, in the model's own order. `examples.with_fastapi` answers
the same from FastAPI. Nothing of a user is in it, so nobody has to sign in.
"""

import msgspec
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from examples.refusal import answer


class Item(msgspec.Struct):
    """One permission of the list."""

    pk: int
    name: str


@require_safe
def list_permissions(request: HttpRequest) -> HttpResponse:
    """The list, from a sync view."""
    return answer({"items": _items()})


@require_safe
async def alist_permissions(request: HttpRequest) -> HttpResponse:
    """The list, from an async view. One trip to the thread with the database connection brings all rows."""
    return answer({"items": await _aitems()})


def _items() -> list[Item]:
    return [Item(*row) for row in Permission.objects.values_list("pk", "name")]


_aitems = sync_to_async(_items)  # made once: that costs nearly half of what the trip does
