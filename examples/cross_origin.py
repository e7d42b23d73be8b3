"""What the settings of a service need so that pages of other origins may call it: django-cors-headers and a list.

The list comes from `CORS_ALLOWED_ORIGINS` in the environment (`https://host,https://host`) and is empty by default.
Cookies go along, so a listed origin acts as whoever is signed in: list only your own.
"""

import os
from importlib.util import find_spec
from typing import Any


def cross_origin(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings to add to those given: `globals().update(cross_origin(globals()))`. Nothing without a list."""
    origins = [one.strip() for one in os.environ.get("CORS_ALLOWED_ORIGINS", "").split(",") if one.strip()]
    if not origins or not find_spec("corsheaders"):
        return {}
    return {
        "INSTALLED_APPS": [*settings["INSTALLED_APPS"], "corsheaders"],
        "MIDDLEWARE": ["corsheaders.middleware.CorsMiddleware", *settings["MIDDLEWARE"]],
        "CORS_ALLOWED_ORIGINS": origins,
        "CORS_ALLOW_CREDENTIALS": True,
        "CSRF_TRUSTED_ORIGINS": [*settings["CSRF_TRUSTED_ORIGINS"], *origins],
    }
