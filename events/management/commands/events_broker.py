"""`manage.py events_broker`: the embedded broker of this checkout, in the foreground; its status; its end."""

import contextlib
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.conf import config
from events.core.errors import EventsError
from events.development import embedded_use
from events.embedded.client import held_open, status, stop


class Command(BaseCommand):
    """Hold the embedded broker open until Ctrl-C, with the topics and groups of the registry."""

    help = "Run the embedded broker in the foreground. In memory, for development: nothing survives it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--status", action="store_true", help="say how it is and end; exit code 1: none runs")
        which.add_argument("--stop", action="store_true", help="end it, unless a process still uses it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the one thing that was asked for."""
        try:
            if options["status"]:
                self._status()
            elif options["stop"]:
                self._stop()
            else:
                self._hold()
        except EventsError as error:
            raise CommandError(str(error)) from error

    def _hold(self) -> None:
        use = embedded_use()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt), held_open(config().embedded_folder, use) as broker:
            self.stdout.write(f"Embedded broker at {broker.address}: in memory, for development. Ctrl-C ends it.")
            self.stdout.flush()
            threading.Event().wait()
        self._stop()

    def _stop(self) -> None:
        self.stdout.write(stop(config().embedded_folder) or "The embedded broker has ended.")

    def _status(self) -> None:
        found = status(config().embedded_folder)
        if found is None:
            raise CommandError("No embedded broker runs in this checkout.")
        for name, value in found.as_lines():
            self.stdout.write(f"{name}: {value}")
