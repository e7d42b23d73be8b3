"""`Progress`: a bar on a terminal, with `tqdm` where it is installed; lines alone elsewhere."""

from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self, TextIO

if find_spec("tqdm"):
    from tqdm import tqdm  # type: ignore[import-untyped]
else:
    tqdm = None


class Progress:
    """Bytes read, of `total`. A context manager."""

    def __init__(self, total: int, *, file: TextIO) -> None:
        self._file = file
        self._bar: Any = None
        if tqdm is not None and file.isatty():
            self._bar = tqdm(total=total, file=file, unit="B", unit_scale=True, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, bytes: int) -> None:
        """So many bytes more."""
        if self._bar is not None:
            self._bar.update(bytes)

    def say(self, text: str) -> None:
        """A line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(text, file=self._file)
        else:
            print(text, file=self._file)
