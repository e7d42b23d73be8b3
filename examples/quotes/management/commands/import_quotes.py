"""The door to the import: `manage.py import_quotes FILE...`."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from examples.quotes.formats import FORMATS, UnknownFormat
from examples.quotes.importing import Import, files_of
from examples.quotes.progress import Progress


class Command(BaseCommand):
    """Import quotes from JSON lines, CSV and fortune files; run twice it adds nothing."""

    help = "Import quotes from files or folders: JSON lines, CSV (column title, optional author) and fortune files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """FILE... and --format."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, or folders of files")
        parser.add_argument("--format", choices=list(FORMATS), help="for all files, instead of looking at each")

    def handle(self, *args: Any, files: list[Path], format: str | None, **options: Any) -> None:
        """Import, and print one line at the end. An error where there was not one usable quote."""
        try:
            found = files_of(files)
            size = sum(file.stat().st_size for file in found)
        except OSError as error:
            raise CommandError(str(error)) from None
        run = _imported(found, size=size, format=format)
        if run.bad and not run.new + run.known:
            raise CommandError(run.summary())
        if not run.new + run.known:
            raise CommandError(f"There are no quotes in {', '.join(map(str, files))}.")
        self.stdout.write(run.summary())


def _imported(files: list[Path], *, size: int, format: str | None) -> Import:
    with Progress(size, file=sys.stderr) as progress:
        run = Import(on_fault=progress.say, on_bytes=progress.advance, format=format)
        try:
            run.run(files)
        except (OSError, UnknownFormat) as error:
            raise CommandError(f"{error}{run.kept()}") from None
    return run
