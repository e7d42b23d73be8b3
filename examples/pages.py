"""What every HTML page of the examples carries: a strict Content-Security-Policy."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


def content_policy(*, beside: str = "") -> str:
    """The policy: our own files and nothing else. `beside` is one more origin that scripts and forms may call."""
    calls = f"'self' {beside}".strip()
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src {calls}",
            f"form-action {calls}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def guarded[**P, Response: HttpResponseBase](
    view: Callable[Concatenate[HttpRequest, P], Response],
) -> Callable[Concatenate[HttpRequest, P], Response]:
    """A view whose answer carries the policy, unless it set one itself."""

    @wraps(view)
    def guarded_view(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Response:
        response = view(request, *args, **kwargs)
        response.headers.setdefault("Content-Security-Policy", content_policy())
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return guarded_view


def with_policy(response: HttpResponse, *, beside: str) -> HttpResponse:
    """The response with a policy that allows one origin more."""
    response.headers["Content-Security-Policy"] = content_policy(beside=beside)
    return response
