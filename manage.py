#!/usr/bin/env python3
"""The door to Django's management commands, and the first to say when the Python is too old."""

import os
import sys

if sys.version_info < (3, 12):  # nothing above or below may be newer syntax: an old Python must get this far
    sys.exit(
        "This project needs Python 3.12 or newer; this is {}.{}. "
        "Run .venv/bin/python manage.py (make install makes .venv).".format(*sys.version_info[:2])
    )


def main() -> None:
    """Run the management command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit(
            f"Django is not installed for {sys.executable}. Run .venv/bin/python manage.py (make install makes .venv)."
        )
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
