"""The page on servers lists the set-ups and scenarios that are played, and why a cell is not as promised."""

import re

import pytest

from tests.acceptance.servers.expected import OTHERWISE, expected
from tests.acceptance.servers.pairs import PAIRS
from tests.acceptance.servers.scenarios import SCENARIOS
from tools.servers import PAGE, between, link, setups

TEXT = PAGE.read_text()


def rows(scenario):
    part = TEXT.split(f"### {scenario.name}\n")[1].split("###")[0]
    return {row.split(" | ")[0].removeprefix("| "): row for row in re.findall(r"^\| [a-z].*$", part, re.MULTILINE)}


def test_the_table_of_set_ups_is_fresh():
    assert between(TEXT, "set-ups", table=setups()) == TEXT, "run: python -m tools.servers"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_each_scenario_has_its_table_with_each_set_up_and_why_it_is_otherwise(scenario):
    pairs = [pair for pair in PAIRS if pair.scenario is scenario]

    lines = rows(scenario)

    assert [name for name in lines if name != "set-up"] == [
        *[pair.setup.name for pair in pairs],
        *filter(None, scenario.but[:1]),
    ]
    assert scenario.but[1] in lines.get(scenario.but[0], "")
    for pair in pairs:
        wanted = expected(pair)
        assert wanted.because in lines[pair.setup.name]
        assert all(link(issue) in lines[pair.setup.name] for issue in wanted.issues)


def test_what_is_less_than_promised_names_an_issue_or_says_that_none_is_known():
    issues = {issue for one in OTHERWISE for issue in one.issues or [""]}

    assert [one for one in issues if not re.fullmatch(r"[\w-]+(/[\w-]+)?#\d+|no issue known|by design", one)] == []


def test_each_exception_is_about_some_cell():
    idle = [one for one in OTHERWISE if not any(one.holds(pair) for pair in PAIRS)]

    assert idle == []
