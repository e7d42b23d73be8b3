"""The door to a first user: `manage.py demo_user`, in development only."""

import secrets
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

NAME = "demo"


class Command(BaseCommand):
    """Make the user `demo`, who may do everything, and print its random password: once, it is kept nowhere."""

    help = "Make the user demo with a random password, printed once. Only with DEBUG."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the user, or say that it is there."""
        if not settings.DEBUG:
            raise CommandError("demo_user is for development (DEBUG). Use manage.py createsuperuser.")
        users = get_user_model().objects
        if users.filter(username=NAME).exists():
            self.stdout.write(f"User {NAME} is there. For a new password: {_python()} manage.py changepassword {NAME}")
            return
        password = secrets.token_urlsafe(9)
        users.create_superuser(username=NAME, password=password)
        self.stdout.write(f"Sign in as {NAME} with password {password} (shown only now)")


def _python() -> str:
    """This Python as one would type it here: `.venv/bin/python`."""
    python = Path(sys.executable)
    return str(python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python)
