"""The base project, from environment variables. A service's settings module says what differs, and its own variables.

A checkout runs without any of them, in development. In production set `DJANGO_DEBUG=0`, `DJANGO_SECRET_KEY`,
`DJANGO_ALLOWED_HOSTS`, `DATABASE_URL`, `EVENTS_BOOTSTRAP_SERVERS`.

    DJANGO_DEBUG                  1 (default) or 0
    DJANGO_SECRET_KEY             at least 50 random characters; needed with DJANGO_DEBUG=0
    DJANGO_ALLOWED_HOSTS          host,host
    DJANGO_CSRF_TRUSTED_ORIGINS   https://host,https://host
    DJANGO_HTTPS                  1: cookies over HTTPS only. Default 0
    DJANGO_STATIC_ROOT            where collectstatic writes; default staticfiles beside this folder
    DJANGO_REQUEST_THREADS        how many requests of a process may use the database at once; default 16
    DATABASE_URL                  see `config.database_url`; default SQLite beside this folder
    EVENTS_<KEY>                  any key of EVENTS; see `config.environment`
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from config.database_url import database_from
from config.environment import events_from

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, default: str) -> bool:
    text = os.environ.get(name, default).strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return text in ("1", "true", "yes", "on")


def _count(name: str, default: str) -> int:
    text = os.environ.get(name, default).strip()
    if not text.isdecimal() or int(text) < 1:
        raise ImproperlyConfigured(f"{name} must be a whole number above 0, not {text!r}.")
    return int(text)


def _words(name: str) -> list[str]:
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def _secret_key() -> str:
    given = os.environ.get("DJANGO_SECRET_KEY", "")
    if not given and not DEBUG:
        raise ImproperlyConfigured(
            "DJANGO_DEBUG=0 needs DJANGO_SECRET_KEY: at least 50 random characters, kept secret."
        )
    return given or "for development only; signs nothing that matters"


def _those_here(*apps: str) -> list[str]:
    """The apps that this checkout has: without the folder of examples the project is still whole."""
    return [app for app in apps if find_spec(app.split(".")[0]) and find_spec(app) and find_spec(f"{app}.apps")]


DEBUG = _flag("DJANGO_DEBUG", "1")
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = _words("DJANGO_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = _words("DJANGO_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _flag("DJANGO_HTTPS", "0")

EXAMPLES = _those_here("examples", "examples.quotes", "examples.likes")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "events",
    *EXAMPLES,
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

DATABASES: dict[str, dict[str, Any]] = {
    "default": database_from(os.environ.get("DATABASE_URL") or "sqlite:///db.sqlite3", BASE_DIR)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

REQUEST_THREADS = _count("DJANGO_REQUEST_THREADS", "16")

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = Path(os.environ.get("DJANGO_STATIC_ROOT") or BASE_DIR / "staticfiles")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.CollectedStorage"
    },
}

EVENTS: dict[str, Any] = {
    "GROUP": "project",
    **({"REPLICATION": 1} if DEBUG else {}),
    **events_from(os.environ),
}

if EXAMPLES:  # named by a string only: this file knows nothing of them
    globals().update(import_string("examples.cross_origin.cross_origin")(globals()))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname:8} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    # Naming "django" takes its own console handler away: one line each, not two.
    "loggers": {
        "django": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},  # a refused request has its line from the server already
        "config": {"level": "INFO"},
        "events": {"level": "INFO"},
        "lifespan": {"level": "INFO"},
    },
}
