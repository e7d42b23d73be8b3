"""`manage.py events_topics`: the declared topics against the cluster's; `--apply` creates what is missing."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events import topics
from events.brokers import NO_TOPIC
from events.core.errors import EventsError


class Command(BaseCommand):
    """Print what differs. The exit code is 0 when nothing does, 1 when something does, 2 without an answer."""

    help = "Compare the declared topics with those of the cluster. Nothing is ever deleted or changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--apply",
            action="store_true",
            help="create the missing topics, with partitions and replication from EVENTS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, and create when asked to."""
        if not topics.declared():
            self.stdout.write(f"Topics: {NO_TOPIC}.")
            return
        try:
            left = self._apply() if options["apply"] else asyncio.run(topics.differences())
        except (EventsError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        self._print(left, wanted=len(topics.declared()))
        if left:
            sys.exit(1)

    def _apply(self) -> Sequence[topics.Difference]:
        before, left = asyncio.run(topics.create_missing())
        for one in before:
            if one.found is None:
                self.stdout.write(f"{one.topic}: created, {one.wanted}")
        return left

    def _print(self, differences: Sequence[topics.Difference], *, wanted: int) -> None:
        for one in differences:
            found = f"; found {one.found}" if one.found else ""
            self.stdout.write(f"{one.topic}: {one.what}; wanted {one.wanted}{found}")
        if any(one.found is None for one in differences):
            self.stdout.write("Create what is missing: manage.py events_topics --apply")
        if any(one.found for one in differences):
            self.stdout.write("A topic that is there is never changed here: that would move keys or data.")
        if not differences:
            self.stdout.write(f"Nothing differs. Declared: {wanted} topic{'' if wanted == 1 else 's'}.")
