"""`manage.py events_consume`: the subscribers in a process of their own."""

import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.autoreload import run_with_reloader

from events.worker import consumers, probed
from lifespan import run, stop_runs


class Command(BaseCommand):
    """Run consumers until a stop signal. Exit code 0: stopped cleanly; 1: something went wrong."""

    help = "Run the subscribers: of all groups, or of those named. Stops cleanly at Ctrl-C and SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--group", action="append", default=[], help="only this group; may be given several times")
        parser.add_argument("--max-messages", type=int, metavar="N", help="stop when N records have been handled")
        parser.add_argument("--health-port", type=int, metavar="PORT", help="answer /health/ on this port")
        parser.add_argument("--health-host", default="127.0.0.1", metavar="HOST", help="0.0.0.0 in a container")
        parser.add_argument("--reload", action="store_true", help="start anew when the code changes; for development")

    def handle(self, *args: Any, **options: Any) -> None:
        """Hold the consumers open."""
        if options["max_messages"] is not None and options["max_messages"] < 1:
            raise CommandError("--max-messages must be a whole number from 1.")
        try:
            resources = consumers(options["group"], max_records=options["max_messages"])
        except LookupError as error:
            raise CommandError(str(error.args[0])) from error
        resources = probed(resources, host=options["health_host"], port=options["health_port"])
        if options["reload"]:
            try:
                run_with_reloader(partial(run, *resources))
            finally:
                stop_runs()  # a reload is the end of the process
        elif code := run(*resources):
            sys.exit(code)
