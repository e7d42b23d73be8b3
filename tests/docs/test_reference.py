"""The reference says what the code says."""

import importlib
import inspect
import re

import pytest
from django.core.management import get_commands, load_command_class

import events
import lifespan
from events import checks, publishing
from tools.reference import PAGE, ids, page

TEXT = PAGE.read_text()
OURS = sorted(name for name, app in get_commands().items() if app == "events")
OF_DJANGO = {
    f"--{name}" for name in ("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no-color")
}
OF_DJANGO |= {"--force-color", "--skip-checks"}


def test_the_tables_of_settings_and_checks_are_fresh():
    assert page(TEXT) == TEXT, "run: python tools/reference.py"


def test_the_table_of_checks_has_the_ids_that_are_given():
    source = inspect.getsource(checks)

    given = {f"E{int(number):03}" for number in re.findall(r"_error\(\s*(\d+)", source)}
    given |= {f"W{int(number):03}" for number in re.findall(r"_warning\(\s*(\d+)", source)}

    assert set(re.findall(r"kafka_events\.([EW]\d{3})", ids())) == given


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_there_with_its_own_options(name):
    parser = load_command_class("events", name).create_parser("manage.py", name)
    known = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}

    line = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}`"))

    assert set(re.findall(r"`(--[a-z-]+)", line)) == known - OF_DJANGO


def test_every_name_can_be_imported_from_where_the_reference_says():
    part = TEXT.split("## Names")[1].split("## Commands")[0]
    rows = re.findall(r"^\| (`[a-z._]+`|) ?\| (.*) \|$", part, re.MULTILINE)
    named, origin = set(), ""

    for place, names in rows:
        origin = place.strip("`") or origin
        named |= {(origin, name) for name in re.findall(r"`(\w+)", names)}

    missing = {one for one in named if not hasattr(importlib.import_module(one[0]), one[1])}
    offered = {(one.__name__, name) for one in (events, publishing, lifespan) for name in one.__all__}
    assert offered - named == set()
    assert {origin for origin, _ in named} >= {"events.worker", "lifespan.threads", "events.request_connections"}
    assert missing == set()
