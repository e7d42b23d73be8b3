"""`Import`: files of quotes into the database, in batches, each new quote published.

A batch is one transaction: its quotes and their events are there together or not at all. What is known already is
skipped by its fingerprint. So an import that was killed is simply started again, and ends as if nothing had happened.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path

from django.db import IntegrityError

from examples.quotes.changes import add_quotes
from examples.quotes.formats import read

BATCH = 500
TRIES = 5
SKIPPED = (".dat", ".u8")
"""What `fortune` keeps beside its files: an index, and a second name for the same file."""


@dataclass(slots=True)
class Import:
    """One run. The two callables are told of each fault (`file:line: why`) and of the bytes that were read."""

    on_fault: Callable[[str], object]
    on_bytes: Callable[[int], object]
    format: str | None = None
    new: int = 0
    known: int = 0
    bad: int = 0
    started: float = field(default_factory=time.monotonic)

    def run(self, files: Iterable[Path]) -> None:
        """Import the files. Raises `OSError` and `UnknownFormat` for a file that cannot be read at all."""
        for titles in batched((title for path in files for title in self._titles(path)), BATCH):
            new = _add(list(titles))
            self.new += new
            self.known += len(titles) - new

    def summary(self) -> str:
        """What came of it, in one line."""
        seconds = time.monotonic() - self.started
        rate = self.new / seconds if seconds else 0
        counts = f"{self.new:,} new, {self.known:,} known already, {self.bad:,} bad"
        return f"{counts}; {seconds:.1f} s, {rate:,.0f} events a second."

    def kept(self) -> str:
        """What becomes of what was done already, for a run that ends early; nothing where nothing was done."""
        return " What was imported so far is kept; start again when it is cured." if self.new else ""

    def _titles(self, path: Path) -> Iterator[str]:
        for piece in read(path, self.format):
            if piece.fault:
                self.bad += 1
                self.on_fault(f"{path}:{piece.line}: {piece.fault}")
            elif piece.title:
                yield piece.title
            self.on_bytes(piece.bytes)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those in the folders named, each file once. Raises `FileNotFoundError`."""
    found = dict.fromkeys(file.resolve() for path in paths for file in _files_below(path))
    return list(found)


def _files_below(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_dir():
        return [path] if path.suffix != ".dat" else []
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and file.suffix not in SKIPPED and not file.name.startswith(".")
    )


def _add(titles: list[str]) -> int:
    """Add a batch. Somebody who adds one of its quotes meanwhile makes it start again: then that one is known."""
    for _ in range(TRIES - 1):
        try:
            return add_quotes(titles)
        except IntegrityError:
            time.sleep(0.05)
    return add_quotes(titles)
