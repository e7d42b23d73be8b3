"""`Refused`: a request that cannot be served, and what the caller should change."""

from collections.abc import Mapping

import msgspec
from django.http import HttpResponse


class Refused(Exception):
    """Raise it anywhere below an endpoint; the caller gets `{"error": ..., "change": ...}` with this status.

    `error` says what is wrong, `change` what to do about it. Neither quotes a secret.
    """

    def __init__(self, status: int, error: str, change: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.change, self.headers = status, error, change, dict(headers or {})

    def response(self) -> HttpResponse:
        """The answer."""
        body = {"error": self.error, "change": self.change}
        return answer(body, status=self.status, headers=self.headers)


def answer(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """JSON, readable in a terminal, that no cache keeps: it depends on who asks, and it changes."""
    return HttpResponse(
        msgspec.json.encode(body),
        content_type="application/json",
        status=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
