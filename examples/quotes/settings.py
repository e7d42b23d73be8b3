"""Quotes alone: its own database, group and cookies. `LIKES_URL` names the other service, for the like button.

DJANGO_SETTINGS_MODULE=examples.quotes.settings uvicorn config.asgi:application --port 8001
"""

import os

from config.database_url import database_from
from config.settings import *  # noqa: F403 - a service's settings are the project's and what differs
from config.settings import BASE_DIR, EVENTS, INSTALLED_APPS

EXAMPLES = ["examples", "examples.quotes"]
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "examples.likes"]
DATABASES = {"default": database_from(os.environ.get("DATABASE_URL") or "sqlite:///quotes.sqlite3", BASE_DIR)}
EVENTS = {**EVENTS, "GROUP": "quotes"}
LIKES_URL = os.environ.get("LIKES_URL", "").rstrip("/")

# Cookies know no ports: on one machine the two services would sign each other's users out.
SESSION_COOKIE_NAME = "quotes_session"
CSRF_COOKIE_NAME = "quotes_csrf"
