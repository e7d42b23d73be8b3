"""Prepares the database for `make run`, in one Django process: migrations, the quotes, the demo user.

What is done already is skipped, so the second run costs one start of Django. Run by the Python of `.venv`.
"""

import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

QUOTES = Path(__file__).resolve().parent.parent / "examples" / "quotes" / "quotes.jsonl"


def main():
    """Bring the default database to where the demo can start."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if waiting:
        print(f"Applying {waiting} migrations to {connection.settings_dict['NAME']} ...", flush=True)
        call_command("migrate", verbosity=0, interactive=False)
    commands = get_commands()
    if "import_quotes" in commands and QUOTES.exists() and not _has_quotes():
        call_command("import_quotes", str(QUOTES))
    if "demo_user" in commands:
        call_command("demo_user")
    sys.stdout.flush()


def _has_quotes():
    """Tell whether there are quotes already: one that the user deleted does not come back."""
    models = [model for model in apps.get_models() if model.__module__ == "examples.quotes.models"]
    return any(model.__name__ == "Quote" and model.objects.exists() for model in models)


if __name__ == "__main__":
    main()
