"""The papers name what exists: tests, files, make targets, commands, the version."""

import re
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
PAPERS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]


def named(paper):
    return str(paper.relative_to(ROOT))


def test_every_test_that_the_readme_names_is_in_the_file_it_links():
    links = re.findall(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", (ROOT / "README.md").read_text())

    missing = [(name, path) for name, path in links if f"def {name}(" not in (ROOT / path).read_text()]

    assert len(links) > 20
    assert missing == []


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_link_within_the_project_leads_somewhere(paper):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", paper.read_text())

    assert [link for link in links if not (paper.parent / link).exists()] == []


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_link_to_a_heading_leads_to_one(paper):
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", paper.read_text())

    assert [link for link in links if link[1] not in headings(paper.parent / link[0] if link[0] else paper)] == []


def headings(paper):
    """The names of a paper's headings in links: words in small letters with "-" between, as GitHub has it."""
    found = re.findall(r"^#+ (.+)$", paper.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_file_that_a_paper_names_exists(paper):
    paths = re.findall(r"\b(?:events|lifespan|config|examples|tests|tools|docs)/[\w/]+\.\w+", paper.read_text())

    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_make_target_and_command_that_a_paper_names_exists(paper):
    text = paper.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    ours = {"import_quotes", "demo_user"}

    assert set(re.findall(r"(?<!`)\bmake ([a-z-]+)(?=`|\s+#|\n|$)", text)) <= targets
    assert set(re.findall(r"manage\.py (\w+)", text)) <= {*get_commands(), *ours}


def test_the_newest_version_of_the_changelog_is_the_packages():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1) == version
