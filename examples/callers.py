"""Who is calling: a browser known by its session, or a script known by HTTP Basic, over the same users.

    Authorization header?  yes -> Basic: name and password on every request; no CSRF token, no foreign page
                           no  -> session cookie -> for a writing method the CSRF token too

Rules
* A browser sends cookies and remembered Basic passwords along with a request that a foreign page started. So the
  session needs the CSRF token, and Basic refuses a request whose `Origin` is not ours.
* A browser answers a `Basic` challenge with a dialog of its own, over our page, and remembers what was typed. So only
  callers that are no browsers get that challenge; browsers get one that they do not know, since a 401 must have one.
"""

import base64
import binascii

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect

from examples.refusal import Refused

SAFE = ("GET", "HEAD", "OPTIONS")
BROWSERS_SEND = ("Sec-Fetch-Mode", "Origin", "X-CSRFToken", "Cookie")


def caller(request: HttpRequest) -> User:
    """The user who calls. Refused: 401 without a login or with a wrong one, 403 for a forged request."""
    if given := request.headers.get("Authorization"):
        return _known_by_password(request, given)
    if not isinstance(request.user, User):
        change = "Sign in at the page, or send a name and a password: curl --user NAME:PASSWORD."
        raise _unknown(request, "Nobody is signed in.", change=change)
    if request.method not in SAFE:
        _refuse_forged_session(request)
    return request.user


def staff(request: HttpRequest) -> User:
    """The user who calls, if staff. Refused: as `caller`, and 403 for others."""
    user = caller(request)
    if not user.is_staff:
        raise Refused(403, "This list is for staff.", "Sign in as a user whose staff status is set in the admin.")
    return user


def _known_by_password(request: HttpRequest, given: str) -> User:
    if request.method not in SAFE and _from_foreign_page(request):
        error = "A page of another origin may not use a remembered password."
        raise Refused(403, error, "Call from this origin, or list the other one in CSRF_TRUSTED_ORIGINS.")
    name, password = _name_and_password(request, given)
    user = authenticate(request, username=name, password=password) if "\0" not in name else None
    if not isinstance(user, User):
        change = "Check both; manage.py changepassword sets a new password."
        raise _unknown(request, "The name or the password is wrong.", change=change)
    return user


def _name_and_password(request: HttpRequest, given: str) -> tuple[str, str]:
    scheme, _, encoded = given.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError("no colon")
    except (ValueError, binascii.Error):
        change = 'Send "Basic " and the base64 of NAME:PASSWORD in UTF-8; curl --user does.'
        raise _unknown(request, "The Authorization header is not HTTP Basic.", change=change) from None
    return name, password


def _from_foreign_page(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    ours = f"{request.scheme}://{request.get_host()}"
    return origin is not None and origin != ours and origin not in settings.CSRF_TRUSTED_ORIGINS


def _refuse_forged_session(request: HttpRequest) -> None:
    checked = csrf_protect(lambda _: HttpResponse())(request)
    if checked.status_code != 200:
        change = "Send the token of the page or of GET /session/ as X-CSRFToken, from an origin that is trusted."
        raise Refused(403, "The CSRF token is missing or wrong.", change)


def _unknown(request: HttpRequest, error: str, *, change: str) -> Refused:
    browser = any(request.headers.get(header) for header in BROWSERS_SEND)
    challenge = 'Session realm="sign in at /login/"' if browser else 'Basic realm="Quotes and Likes", charset="UTF-8"'
    return Refused(401, error, change, headers={"WWW-Authenticate": challenge})
