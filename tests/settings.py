"""The Django settings of the tests: SQLite in a folder of its own, and the apps that are there."""

import atexit
import shutil
import tempfile
from pathlib import Path

from config.database_url import SQLITE_OPTIONS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(tempfile.mkdtemp(prefix="tests-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

DEBUG = False
SECRET_KEY = "of the tests; protects nothing"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed: a real one takes 0.2 s a user


def _those_here(*apps: str) -> list[str]:
    """Return the apps that this checkout has, with their tests: the tests of the rest run without them."""
    places = [(app, Path(app.replace(".", "/"))) for app in apps]
    return [
        app
        for app, place in places
        if (ROOT / place / "apps.py").exists() and any((ROOT / "tests" / place.parts[0]).rglob("test_*.py"))
    ]


INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    *_those_here("events", "examples", "examples.quotes", "examples.likes"),
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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

# A file, not memory: subscribers run in threads of their own, each with its own connection.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "main.sqlite3",
        "TEST": {"NAME": FOLDER / "test.sqlite3"},
        "OPTIONS": SQLITE_OPTIONS,
    }
}

EVENTS = {"GROUP": "tests", "SOURCE": "tests"}
