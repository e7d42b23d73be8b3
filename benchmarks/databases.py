"""The database of a run: a private one, migrated, with the 24 permissions of a fresh Django project."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tools.postgres import DATABASE, Postgres

ROOT = Path(__file__).resolve().parent.parent
FRESH_PROJECT = ["admin", "auth", "contenttypes", "sessions"]

PREPARE = f"""
import json, django
django.setup()
from django.contrib.auth.models import Permission
from django.core.management import call_command
call_command("migrate", verbosity=0)
Permission.objects.exclude(content_type__app_label__in={FRESH_PROJECT}).delete()
print(json.dumps({{"items": list(Permission.objects.values("pk", "name"))}}))
"""


@contextmanager
def database_url(kind):
    """Give the DATABASE_URL of an empty database: "sqlite" or "postgres"; it is removed after the block."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/benchmarks.sqlite3"
            return
        server = Postgres(Path(folder))
        try:
            server.start()
            _make_room(server)
            server.create(DATABASE)
            yield server.url()
        finally:
            server.remove()


def _make_room(server):
    """All contestants run at once, and threads that last keep their connections."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 600")
    server.stop()
    server.start()


def environment(url):
    """Return the environment of a server: the project as in production, on this database."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": "of the benchmarks, signs nothing: 0123456789 0123456789",
        "EVENTS_BOOTSTRAP_SERVERS": "localhost:9092",  # nobody connects: no application here opens events
        "DATABASE_URL": url,
    }


def prepare(seen):
    """Migrate, leave the permissions of a fresh project, and return the list as JSON text."""
    done = subprocess.run([sys.executable, "-c", PREPARE], cwd=ROOT, env=seen, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip().splitlines()[-1]
