"""Deleting `examples/` leaves a whole project."""

import shutil


def test_without_the_examples_the_project_is_still_whole(tmp_path, together):
    root = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("examples", ".venv", ".git", ".run", "*.sqlite3*", "__pycache__", ".*_cache")
    shutil.copytree(together.quotes.root, root, ignore=ignored)
    together.quotes.root = root

    together.quotes.manage("check")
    together.quotes.start(path="/admin/login/")

    assert together.quotes.ask("GET", "/admin/login/").status == 200
