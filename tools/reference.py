"""Makes the table of `EVENTS` keys in `docs/reference.md` from the settings' own dataclass.

`python tools/reference.py` rewrites the table between its two markers; a test fails when it is out of date.
"""

import os
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from events.conf import Config  # noqa: E402  (the path above makes it importable)

PAGE = ROOT / "docs" / "reference.md"
START, END = "<!-- settings: made by tools/reference.py -->", "<!-- end of settings -->"


def table() -> str:
    """The table, a line a key."""
    head = ["| key | default | environment | meaning |", "|---|---|---|---|"]
    return "\n".join(head + [_line(one) for one in fields(Config)])


def page(text: str) -> str:
    """The page with a fresh table between the markers."""
    before, rest = text.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


def _line(one: "Field[object]") -> str:
    default = one.default if one.default is not MISSING else {}
    shown = f"`{default!r}`" if default not in ("", (), {}) else "–"
    return f"| `{one.name}` | {shown} | `EVENTS_{one.name}` | {one.metadata['text']} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{PAGE.relative_to(ROOT)}: {len(fields(Config))} keys")
