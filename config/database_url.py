"""`DATABASE_URL` as an entry of Django's `DATABASES`: PostgreSQL, MySQL or MariaDB, and SQLite.

    postgres://user:password@host:5432/name?sslmode=require
    mysql://user:password@host:3306/name
    sqlite:///relative/to/the/project.sqlite3      sqlite:////absolute/path.sqlite3

What stands after `?` goes to the driver; SQLite takes nothing there. Characters with a meaning in URLs are
percent-encoded, in passwords above all. An error never shows the URL: it holds the password.
"""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ENGINES = {
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
    "sqlite": "django.db.backends.sqlite3",
}

SQLITE_OPTIONS = {
    # Readers and the one writer do not wait for each other; a write that starts takes its turn at once instead of
    # failing half way ("database is locked"); and it waits up to 20 s for that turn.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}

KEPT_S = 600
"""How long a connection is kept, in seconds: the threads of requests last (`config.asgi`), so this works."""


def database_from(url: str, folder: Path) -> dict[str, Any]:
    """The `DATABASES` entry of a URL. `folder`: where relative SQLite paths start. Raises `ImproperlyConfigured`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong("its host or port cannot be read; percent-encode / : @ ? # % in the password") from None
    if parts.scheme not in ENGINES:
        raise _wrong(f"it must start with one of {', '.join(f'{scheme}://' for scheme in ENGINES)}")
    if parts.scheme == "sqlite":
        return _sqlite(parts, folder)
    return _server(parts, port)


def _sqlite(parts: SplitResult, folder: Path) -> dict[str, Any]:
    if parts.query or parts.fragment:
        raise _wrong("SQLite's ends with the path; percent-encode ? and # in that")
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise _wrong("SQLite's has three slashes before a relative path and four before an absolute one")
    return {"ENGINE": ENGINES["sqlite"], "NAME": folder / path, "CONN_MAX_AGE": KEPT_S, "OPTIONS": {**SQLITE_OPTIONS}}


def _server(parts: SplitResult, port: int | None) -> dict[str, Any]:
    name = unquote(parts.path.removeprefix("/"))
    if not name or parts.fragment:
        raise _wrong("the name of the database is missing after the host; percent-encode # and ? in the password")
    return {
        "ENGINE": ENGINES[parts.scheme],
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": KEPT_S,
        "CONN_HEALTH_CHECKS": True,  # or the first request of each thread fails after the database was away
        "OPTIONS": {name: _option(parts.scheme, text) for name, text in parse_qsl(parts.query)},
    }


def _option(scheme: str, text: str) -> str | int:
    """mysqlclient wants numbers as numbers: `?connect_timeout=5`."""
    return int(text) if scheme == "mysql" and text.isdecimal() else text


def _wrong(why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"DATABASE_URL cannot be used: {why}.")
