"""The health of this process over HTTP: three views that need no broker, no database, no session and no user."""

from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from events.health import NO_STORE, Probe, answer
from events.worker import process_here


@login_not_required
@non_atomic_requests
@require_safe
async def health(request: HttpRequest, probe: Probe) -> JsonResponse:
    """200 or 503, and why. `probe`: what is asked, see `docs/operations.md`."""
    status, told = answer(process_here(), probe)
    response = JsonResponse(told, status=status, headers=NO_STORE)
    # Django logs each 5xx as an error, and mails it to ADMINS: in an outage one for every probe. The log has its line.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
