"""The permissions that Django knows, as JSON: the same list from a sync view and from an async one.

`{"items": [{"pk": 1, "name": "Can add log entry"}, ...]}`, in the model's own order. `examples.with_fastapi` answers
the same from FastAPI. Nothing of a user is in it, so nobody has to sign in.
"""

from django.contrib.auth.models import Permission
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from examples.refusal import answer


@require_safe
def list_permissions(request: HttpRequest) -> HttpResponse:
    """The list, from a sync view."""
    return answer({"items": list(Permission.objects.values("pk", "name"))})


@require_safe
async def alist_permissions(request: HttpRequest) -> HttpResponse:
    """The list, from an async view. `async for` goes to the database's thread once, for all rows."""
    return answer({"items": [row async for row in Permission.objects.values("pk", "name")]})
