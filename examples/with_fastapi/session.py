"""`SignedIn`: the user of Django's session, for FastAPI's endpoints.

It is Django's own look at the session (`aget_user`): a user who was deactivated, or whose password was changed
elsewhere, is nobody here too. And Django's own look at a request that changes something: a browser sends its cookies
along with what a foreign page starts, so such a request needs the CSRF token, in `X-CSRFToken`. `GET /session/` has it.
"""

from importlib import import_module
from io import BytesIO
from typing import Annotated

from django.conf import settings
from django.contrib.auth import aget_user
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_protect
from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie

from examples.with_fastapi.connections import Tidied

SAFE = ("GET", "HEAD", "OPTIONS")
FORGED = "The CSRF token is missing or wrong: send that of GET /session/ as X-CSRFToken, from a trusted origin."

cookie = APIKeyCookie(name=settings.SESSION_COOKIE_NAME, scheme_name="Django's session", auto_error=False)


async def signed_in(request: Request, key: Annotated[str | None, Depends(cookie)], *, _: Tidied) -> User:
    """The user who calls. 400 for a host that is not ours, 401 where nobody is signed in, 403 for a forged request."""
    asked = _as_django_sees(request, key)
    _refuse_foreign_host(asked)
    user = await aget_user(asked)
    if not isinstance(user, User):
        challenge = {"WWW-Authenticate": 'Session realm="sign in at /login/"'}
        raise HTTPException(401, "Nobody is signed in. Sign in at /login/.", challenge)
    if request.method not in SAFE:
        _refuse_forged(asked)
    return user


SignedIn = Annotated[User, Depends(signed_in)]


def _as_django_sees(request: Request, key: str | None) -> ASGIRequest:
    asked = ASGIRequest(request.scope, BytesIO())
    asked.POST = QueryDict()  # FastAPI reads the body, so the token can come in the header only
    asked.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return asked


def _refuse_foreign_host(asked: ASGIRequest) -> None:
    try:
        asked.get_host()
    except DisallowedHost as error:
        raise HTTPException(400, str(error)) from None


def _refuse_forged(asked: ASGIRequest) -> None:
    checked = csrf_protect(lambda _: HttpResponse())(asked)
    if checked.status_code != 200:
        raise HTTPException(403, FORGED)
