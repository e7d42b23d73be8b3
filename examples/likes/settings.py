"""Likes alone: its own database, group, cookies and users; its addresses stand at the root.

DJANGO_SETTINGS_MODULE=examples.likes.settings uvicorn config.asgi:application --port 8002
"""

import os

from config.database_url import database_from
from config.settings import *  # noqa: F403 - a service's settings are the project's and what differs
from config.settings import BASE_DIR, EVENTS, INSTALLED_APPS

EXAMPLES = ["examples"]
ROOT_URLCONF = "examples.likes.root_urls"
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "examples.quotes"]
DATABASES = {"default": database_from(os.environ.get("DATABASE_URL") or "sqlite:///likes.sqlite3", BASE_DIR)}
EVENTS = {**EVENTS, "GROUP": "likes"}

# Cookies know no ports: on one machine the two services would sign each other's users out.
SESSION_COOKIE_NAME = "likes_session"
CSRF_COOKIE_NAME = "likes_csrf"
