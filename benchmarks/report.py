"""A report: the facts, the tables and the goals of one run, as Markdown for people and as JSON for programs."""

import json
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass
class Table:
    """A Markdown table: the first column is text, the others are figures."""

    title: str
    head: list
    rows: list = field(default_factory=list)
    below: str = ""

    def lines(self):
        """The lines of the table, with its title above."""
        yield from (f"## {self.title}", "", _row(self.head))
        yield _row(["---", *["---:"] * (len(self.head) - 1)])
        yield from map(_row, self.rows)
        if self.below:
            yield from ("", self.below)


@dataclass
class Goal:
    """What was promised and what came out: `reached` is None when it was not measured; `at_most`: less is better."""

    text: str
    wanted: float
    reached: float | None
    at_most: bool = False

    @property
    def verdict(self):
        if self.reached is None:
            return "not measured"
        return "yes" if (self.reached <= self.wanted if self.at_most else self.reached >= self.wanted) else "**no**"

    def row(self):
        """Its row: text, wanted, reached, verdict."""
        sign = "<=" if self.at_most else ">="
        reached = "" if self.reached is None else f"{self.reached:.2f}"
        return [self.text, f"{sign} {self.wanted:g}", reached, self.verdict]


@dataclass
class Report:
    """One run. `name` names its files; `remarks` are lines that a reader must know; `raw` is what was measured."""

    name: str
    title: str
    facts: dict
    tables: list
    goals: list = field(default_factory=list)
    remarks: list = field(default_factory=list)
    raw: dict = field(default_factory=dict)

    def markdown(self):
        """The whole as Markdown."""
        lines = [f"# {self.title}", "", *(f"* {name}: {fact}" for name, fact in self.facts.items()), ""]
        lines += [*(f"**{remark}**\n" for remark in self.remarks)]
        for table in self._all_tables():
            lines += [*table.lines(), ""]
        return "\n".join(lines).rstrip() + "\n"

    def write(self, folder=RESULTS):
        """Write `<name>.md` and `<name>.json` into the folder, and print the first."""
        folder.mkdir(parents=True, exist_ok=True)
        text = self.markdown()
        (folder / f"{self.name}.md").write_text(text)
        whole = {"facts": self.facts, "remarks": self.remarks, "measured": self.raw}
        (folder / f"{self.name}.json").write_text(json.dumps(whole, indent=1) + "\n")
        print(text)

    def _all_tables(self):
        yield from self.tables
        if self.goals:
            yield Table("Goals", ["goal", "wanted", "reached", "met"], [goal.row() for goal in self.goals])


def _row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"
