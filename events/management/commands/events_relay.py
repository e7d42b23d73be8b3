"""`manage.py events_relay`: the relay in a process of its own, or once."""

import asyncio
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events import outbox
from events.core.errors import EventsError
from events.worker import probed, relay_alone, relay_once
from lifespan import run


class Command(BaseCommand):
    """Relay until a stop signal, or once. With an empty outbox `--once` does not ask Kafka.

    Exit code 0: stopped cleanly, all is sent; 1: something went wrong, or rows are left.
    """

    help = "Send what waits in the outbox to Kafka, until Ctrl-C or SIGTERM. One relay works at a time; others wait."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="send what waits now, and end")
        parser.add_argument("--health-port", type=int, metavar="PORT", help="answer /health/ on this port")
        parser.add_argument("--health-host", default="127.0.0.1", metavar="HOST", help="0.0.0.0 in a container")

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay."""
        if not options["once"]:
            if code := run(*probed(relay_alone(), host=options["health_host"], port=options["health_port"])):
                sys.exit(code)
            return
        try:
            sent = asyncio.run(relay_once())
        except (EventsError, ValueError) as error:
            raise CommandError(str(error)) from error
        if left := outbox.waiting():
            raise CommandError(f"{sent} sent, {left} left: the log above says why, and the outbox in the admin.")
        self.stdout.write(f"{sent} sent." if sent else "Nothing waits in the outbox; Kafka was not asked.")
