"""Prepares the database for `make run`, in one Django process: migrations, the quotes, the demo user.

What is done already is skipped, so the second run costs one start of Django. What stands in the way is one sentence.
Run by the Python of `.venv`.
"""

import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command, get_commands
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

QUOTES = Path(__file__).resolve().parent.parent / "examples" / "quotes" / "quotes.jsonl"


def main():
    """Prepare; return 0, or a sentence that says what stands in the way."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        django.setup()
        _problems()
        _prepare()
    except (ImproperlyConfigured, CommandError) as error:
        return str(error)
    except Error as error:
        return f"The database of DATABASE_URL cannot be used: {str(error).strip().splitlines()[0]}"
    return 0


def _problems():
    """Raise for what `manage.py check` finds wrong in EVENTS; the server would find it later, in a traceback."""
    if found := [one for one in run_checks(tags=["kafka_events"], include_deployment_checks=True) if one.is_serious()]:
        raise CommandError("\n".join(one.msg + (f" {one.hint}" if one.hint else "") for one in found))


def _prepare():
    """Bring the default database to where the demo can start."""
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if waiting:
        print(f"Applying {waiting} migrations to {connection.settings_dict['NAME']} ...", flush=True)
        call_command("migrate", verbosity=0, interactive=False)
    commands = get_commands()
    if "import_quotes" in commands and QUOTES.exists() and not _has_quotes():
        call_command("import_quotes", str(QUOTES))
    if "demo_user" in commands and settings.DEBUG:
        call_command("demo_user")
    sys.stdout.flush()


def _has_quotes():
    """Tell whether there are quotes already: one that the user deleted does not come back."""
    models = [model for model in apps.get_models() if model.__module__ == "examples.quotes.models"]
    return any(model.__name__ == "Quote" and model.objects.exists() for model in models)


if __name__ == "__main__":
    sys.exit(main())
