"""Makes two tables in `docs/reference.md`: the keys of `EVENTS` from their dataclass, the checks from their module.

`python tools/reference.py` rewrites the tables between their markers; a test fails when one is out of date.
"""

import os
import re
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from events import checks  # noqa: E402  (the path above makes them importable)
from events.conf import Config  # noqa: E402

PAGE = ROOT / "docs" / "reference.md"


def page(text: str) -> str:
    """The page with a fresh table between each pair of markers."""
    return _between(_between(text, "settings", table=keys()), "checks", table=ids())


def keys() -> str:
    """The settings, a line a key."""
    head = ["| key | default | environment | meaning |", "|---|---|---|---|"]
    return "\n".join(head + [_line(one) for one in fields(Config)])


def ids() -> str:
    """The system checks, as their module's docstring lists them, with the whole id."""
    lines = [line for line in (checks.__doc__ or "").splitlines() if line.startswith("|")]
    return "\n".join(re.sub(r"^\| ([EW]\d+)", r"| `kafka_events.\1`", line) for line in lines)


def _between(text: str, name: str, *, table: str) -> str:
    start, end = f"<!-- {name}: made by tools/reference.py -->", f"<!-- end of {name} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}"


def _line(one: "Field[object]") -> str:
    default = one.default if one.default is not MISSING else {}
    shown = f"`{default!r}`" if default not in ("", (), {}) else "–"
    return f"| `{one.name}` | {shown} | `EVENTS_{one.name}` | {one.metadata['text']} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{PAGE.relative_to(ROOT)} is fresh")
