"""Signing in and out, and `GET /session/`: who a browser is here, with the token that its writing requests need."""

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path

from examples.endpoint import addresses, endpoint
from examples.pages import guarded
from examples.refusal import answer


def show_session(request: HttpRequest) -> HttpResponse:
    """Who is signed in, or null, and the CSRF token. Another origin can read it only where CORS lists it."""
    return answer({"username": request.user.get_username() or None, "csrf_token": get_token(request)})


sign_in = guarded(LoginView.as_view(template_name="examples/login.html", next_page="/"))
sign_out = guarded(LogoutView.as_view(next_page="/"))

urlpatterns = [
    path("login/", sign_in, name="login"),
    path("logout/", sign_out, name="logout"),
    *addresses("session/", endpoint(GET=show_session), name="session"),
]
