"""Files of quotes, read piece by piece: JSON lines, CSV, and the format of `fortune`.

A piece is a title and where it stands, or a fault and where; one bad line never ends a file. Nothing is kept of what
was read, and no line longer than `LONGEST` is held: memory does not grow with the file.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from examples.quotes.text import UnusableText, cleaned

LONGEST = 64 * 1024
"""The most bytes of a line. A longer one is a fault: its rest is read and dropped."""

SNIFFED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """One quote of a file: `title`, or empty and a `fault`. `line` is where it starts, from 1; `bytes` is its size."""

    line: int
    bytes: int
    title: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file without its end. `text` is None where it was too long to hold."""

    number: int
    bytes: int
    text: str | None


def read(path: Path, format: str | None = None) -> Iterator[Piece]:
    """The quotes of a file. Raises `OSError`, and `UnknownFormat` where no format is given and none is seen."""
    reader = FORMATS[format or recognised(path)]
    with path.open("rb") as file:
        yield from reader(_lines(file))


class UnknownFormat(ValueError):
    """Neither the name nor the content says which format a file has."""


def recognised(path: Path) -> str:
    """The format of a file, by its extension, else by its content. Raises `UnknownFormat`."""
    if format := EXTENSIONS.get(path.suffix.lower()):
        return format
    with path.open("rb") as file:
        start = _decoded(file.read(SNIFFED)).lstrip("\ufeff\n\r\t ")
    if start.startswith("{"):
        return "jsonl"
    if re.search(r"^%$", start.replace("\r", ""), re.MULTILINE):
        return "fortune"
    if "title" in _column_names(start.partition("\n")[0]):
        return "csv"
    raise UnknownFormat(f"{path}: no extension or content that is known. Say --format {'|'.join(FORMATS)}.")


def _json_lines(lines: Iterable[Line]) -> Iterator[Piece]:
    for line in lines:
        if line.text is None or line.text.strip():
            yield _piece(line.number, line.bytes, title=partial(_title_in_json, line))


def _fortunes(lines: Iterable[Line]) -> Iterator[Piece]:
    first, size, held = 1, 0, list[str]()
    too_long = False
    for line in lines:
        size += line.bytes
        if line.text == "%":
            yield from _fortune(first, size, lines=None if too_long else held)
            first, size, held, too_long = line.number + 1, 0, [], False
        else:
            too_long = too_long or line.text is None or size > LONGEST
            if too_long:
                held.clear()
            else:
                held.append(line.text or "")
    yield from _fortune(first, size, lines=None if too_long else held)


def _fortune(first: int, size: int, *, lines: list[str] | None) -> Iterator[Piece]:
    """The text between two `%`, if there is any."""
    if lines is None:
        yield Piece(first, size, fault=f"it is longer than {LONGEST:,} bytes")
        return
    text = _as_printed("\n".join(lines)).expandtabs()
    if text.strip():
        yield _piece(first, size, title=partial(_without_margin, text))
    elif size > 2:  # more than the `%` itself: an empty fortune says nothing, and is no fault either
        yield Piece(first, size)


def _as_printed(text: str) -> str:
    """The text without overstrikes: of `_` BS `x` the printer showed an underlined x, and we keep the x."""
    while (shorter := re.sub(r"[^\x08\n]\x08", "", text)) != text:
        text = shorter
    return text


def _table(lines: Iterable[Line]) -> Iterator[Piece]:
    sizes = _Sizes(lines)
    rows = csv.reader(sizes, strict=True)
    try:
        header = [name.strip().lower() for name in next(rows)]
    except StopIteration:
        return
    except csv.Error as error:
        yield Piece(1, sizes.taken(), fault=f"the header is not CSV: {_csv_fault(error)}")
        return
    if "title" not in header:
        yield Piece(1, sizes.taken(), fault="the header has no column named title")
        return
    while True:
        first = sizes.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Piece(first, sizes.taken(), fault=f"it is not CSV: {_csv_fault(error)}")
            continue
        if row:
            columns = dict(zip(header, row, strict=False))
            yield _piece(first, sizes.taken(), title=partial(_title_in_row, columns))


def _csv_fault(error: csv.Error) -> str:
    """What `csv` found, with a cause for its words about a quote that stays open."""
    text = str(error)
    return 'a " is never closed, so all that follows belongs to it' if text == "unexpected end of data" else text


class _Sizes:
    """Lines for `csv.reader`, which does not say how much it took."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines, self.number, self._bytes = iter(lines), 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number, self._bytes = line.number, self._bytes + line.bytes
        if line.text is None:
            raise csv.Error(f"a line is longer than {LONGEST:,} bytes")
        return line.text + "\n"

    def taken(self) -> int:
        """The bytes since the last call."""
        bytes, self._bytes = self._bytes, 0
        return bytes


def _title_in_json(line: Line) -> str:
    if line.text is None:
        raise UnusableText(f"the line is longer than {LONGEST:,} bytes")
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        raise UnusableText(f"it is not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("title"), str):
        raise UnusableText('it is not an object with a text as "title"')
    return str(value["title"])


def _title_in_row(columns: dict[str, str]) -> str:
    title, author = columns.get("title", "").strip(), columns.get("author", "").strip()
    return f"{title} — {author}" if title and author else title


def _without_margin(text: str) -> str:
    """The lines without the white space at their ends and without a margin that all have, so that pictures stay."""
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def _piece(line: int, bytes: int, *, title: Callable[[], str]) -> Piece:
    try:
        return Piece(line, bytes, title=cleaned(title()))
    except UnusableText as error:
        return Piece(line, bytes, fault=str(error))


def _lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while data := file.readline(LONGEST):
        number, size, whole = number + 1, len(data), data.endswith(b"\n") or len(data) < LONGEST
        while not whole:
            rest = file.readline(LONGEST)
            size, whole = size + len(rest), not rest or rest.endswith(b"\n")
            data = b""
        text = _decoded(data).removeprefix("\ufeff" if number == 1 else "").rstrip("\r\n") if data else None
        yield Line(number, size, text)


def _decoded(data: bytes) -> str:
    """UTF-8, else Latin-1: the fortunes of thirty years are in both."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _column_names(header: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([header]), [])]


FORMATS: dict[str, Callable[[Iterable[Line]], Iterator[Piece]]] = {
    "jsonl": _json_lines,
    "csv": _table,
    "fortune": _fortunes,
}
EXTENSIONS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".fortune": "fortune"}
