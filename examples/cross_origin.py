"""What the settings need so that pages of other origins may call a service: django-cors-headers and a list.

The list comes from `CORS_ALLOWED_ORIGINS` in the environment (`https://host,https://host`) and is empty by default.
Cookies go along, so a listed origin acts as whoever is signed in: list only your own.
"""

import os
from importlib.util import find_spec
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def cross_origin(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings to add to those given: `globals().update(cross_origin(globals()))`. Nothing without a list.

    Raises `ImproperlyConfigured` for a list without django-cors-headers to obey it.
    """
    origins = [one.strip() for one in os.environ.get("CORS_ALLOWED_ORIGINS", "").split(",") if one.strip()]
    if not origins:
        return {}
    if not find_spec("corsheaders"):
        raise ImproperlyConfigured("CORS_ALLOWED_ORIGINS needs a package: pip install django-cors-headers.")
    return {
        "INSTALLED_APPS": [*settings["INSTALLED_APPS"], "corsheaders"],
        "MIDDLEWARE": ["corsheaders.middleware.CorsMiddleware", *settings["MIDDLEWARE"]],
        "CORS_ALLOWED_ORIGINS": origins,
        "CORS_ALLOW_CREDENTIALS": True,
        "CSRF_TRUSTED_ORIGINS": [*settings["CSRF_TRUSTED_ORIGINS"], *origins],
    }
