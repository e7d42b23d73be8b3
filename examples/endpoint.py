"""`endpoint`: an address with one function for each method, whose answers and refusals are JSON.

Its views are exempt from Django's CSRF middleware, because scripts come with HTTP Basic and no cookie. The check is
not gone: `examples.callers` makes it for everyone who is known by a session.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from examples.refusal import Refused

type View = Callable[..., HttpResponse]

MAX_ID = 2**63 - 1
"""The largest id that a database can look for."""


def endpoint(*, reason: str = "", **functions: View) -> View:
    """A view that calls the function given for the request's method: `endpoint(GET=show, PUT=change)`.

    HEAD is served by GET. Another method gets 405, with the allowed ones and, where given, the reason.
    """
    allowed = ", ".join([*functions, *(["HEAD"] if "GET" in functions else []), "OPTIONS"])

    @csrf_exempt
    def view(request: HttpRequest, **captured: str) -> HttpResponse:
        try:
            return serve(request, **captured)
        except Refused as refused:
            return refused.response()

    def serve(request: HttpRequest, **captured: str) -> HttpResponse:
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": allowed})
        function = functions.get("GET" if request.method == "HEAD" else str(request.method))
        if function is None:
            error = f"{request.method} is not possible here." + (f" {reason}" if reason else "")
            raise Refused(405, error, f"Use one of: {allowed}.", headers={"Allow": allowed})
        return function(request, **{name: number_of(text) for name, text in captured.items()})

    return view


def number_of(text: str) -> int:
    """The id in an address. Refused (404) where it cannot be one, so that no database is asked for it."""
    if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= MAX_ID:
        return int(text)
    raise Refused(404, f"{text[:40]!r} is not an id.", "Use a whole number from 1, as the list gives it.")


def addresses(route: str, view: View, *, name: str) -> list[URLPattern]:
    """The address with and without its last slash: a redirect would lose the body of a POST."""
    return [path(route.rstrip("/"), view), path(route, view, name=name)]
