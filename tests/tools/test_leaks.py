"""What must not be published is found with its place, and ordinary text is left alone."""

import pytest

from tools import leaks

# In two pieces, so that this file holds none of them.
FORBIDDEN = [
    "-----BEGIN " + "PRIVATE KEY-----",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "gh" + "p_" + "a1" * 18,
    "AK" + "IA" + "ABCDEFGH12345678",
    "broker = 'kafka" + "://user:secret@broker:9092'",
    "open('/ro" + "ot/project/file')",
    "cd /ho" + "me/ann/project",
    "see /wo" + "rk/main/tools",
    "index = https://py" + "pi.org/simple",
]
ORDINARY = [
    "postgres://postgres@127.0.0.1:5432/events",
    "href='/likes/' and examples/quotes/root_urls.py",
    "https://cloudevents.io/wo" + "rk/in/progress",
    "the relay does its work; a home page",
    "/usr/bin/env python3",
]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_what_must_not_be_published_is_found_with_its_line(line, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text(f"first\n{line}\n")

    found = leaks.search(path)

    assert len(found) == 1
    assert found[0].startswith(f"{path}:2: ")


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_is_left_alone(line, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text(line)

    assert leaks.search(path) == []


def test_a_lock_file_holds_names_and_versions_only(tmp_path):
    path = tmp_path / "constraints.txt"
    path.write_text("django==6.1\nthing @ https://example.org/thing.whl\n")

    assert leaks.search(path) == [f"{path}:2: an address in a lock file"]


def test_bytes_that_are_no_text_are_passed_over(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff\xfe")

    assert leaks.search(path) == []
