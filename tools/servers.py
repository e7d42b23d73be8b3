"""Makes the tables of `docs/servers.md`: the set-ups from their list, and what was seen in the last long run.

`make acceptance` keeps what it saw in `.run/servers.json`; `python -m tools.servers` writes it between the markers.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.acceptance.servers.cell import KILLED  # noqa: E402
from tests.acceptance.servers.expected import expected  # noqa: E402
from tests.acceptance.servers.pairs import PAIRS  # noqa: E402  (the path above makes them importable)
from tests.acceptance.servers.scenarios import SCENARIOS  # noqa: E402
from tests.acceptance.servers.setups import SETUPS  # noqa: E402

PAGE = ROOT / "docs" / "servers.md"
RESULTS = ROOT / ".run" / "servers.json"


def page(text, results):
    """The page with fresh tables between its markers."""
    return between(between(text, "set-ups", table=setups()), "matrix", table=matrix(results))


def setups():
    """The command line of each set-up."""
    lines = [
        f"| `{one.name}` | `{one.command.format(app='config.asgi:application', port=8000, folder='.')}` |"
        for one in SETUPS
    ]
    return "\n".join(["| set-up | started as |", "|---|---|", *lines])


def matrix(results):
    """A table for each scenario, a line for each set-up."""
    return "\n\n".join(_scenario(scenario, results) for scenario in SCENARIOS)


def _scenario(scenario, results):
    head = [f"### {scenario.name}", "", scenario.says, ""]
    head += ["| set-up | the client saw | lost | left behind | exit code | seconds | otherwise, because |"]
    pairs = [pair for pair in PAIRS if pair.scenario is scenario]
    lines = [_line(pair, results[pair.name]) for pair in pairs]
    name, why = scenario.but
    lines += [f"| {name} | not played |  |  |  |  | {why} |"] * bool(name)
    return "\n".join([*head, "|---|---|---|---|---|---|---|", *lines])


def _line(pair, seen):
    behind = "–" if seen["behind"] is None else seen["behind"] or "nobody"
    lost = "–" if seen["lost"] is None else ", ".join(seen["lost"]) or "nothing"
    code = "never ends: killed" if seen["exit"] == KILLED else seen["exit"]
    told = [pair.setup.name, seen["client"], lost, behind, code, f"{seen['seconds']:.1f}", _why(expected(pair))]
    return f"| {' | '.join(map(str, told))} |"


def _why(wanted):
    return "; ".join(filter(None, [wanted.because, ", ".join(map(link, wanted.issues))]))


def link(issue):
    """An issue of a server, `owner/repo#number` or `django#ticket`; words where there is none."""
    repository, _, number = issue.partition("#")
    if repository == "django":
        return f"[Django's ticket {number}](https://code.djangoproject.com/ticket/{number})"
    return f"[{issue}](https://github.com/{repository}/issues/{number})" if number else issue


def between(text, name, *, table, by="tools/servers.py"):
    """The text with this table between the two markers of that name."""
    start, end = f"<!-- {name}: made by {by} -->", f"<!-- end of {name} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))
    print(f"{PAGE.relative_to(ROOT)} is fresh")
