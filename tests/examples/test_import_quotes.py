"""`manage.py import_quotes`: three formats, bad lines named, and the same end however often it runs."""

import json
import os
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from events.models import OutboxRecord
from examples.quotes import importing
from examples.quotes.models import Quote

pytestmark = pytest.mark.django_db

FORTUNES = "First thing.\n\t\t-- Ada\n%\nSecond\n  thing.\n%\n%\nThird thing.\n"


def run(*paths, **options):
    out = StringIO()
    call_command("import_quotes", *map(str, paths), stdout=out, **options)
    return out.getvalue()


def written(folder, name, content):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def titles():
    return list(Quote.objects.order_by("pk").values_list("title", flat=True))


def lines(*quotes):
    return "".join(json.dumps({"title": quote}) + "\n" for quote in quotes)


def test_json_lines_are_imported_and_published(tmp_path):
    said = run(written(tmp_path, "a.jsonl", lines("one", "two")))

    assert titles() == ["one", "two"]
    assert [json.loads(bytes(record.value))["title"] for record in OutboxRecord.objects.order_by("id")] == titles()
    assert re.fullmatch(r"2 new, 0 known already, 0 bad; \d+\.\d s, [\d,]+ events a second\.\n", said)


def test_a_second_run_adds_nothing(tmp_path):
    file = written(tmp_path, "a.jsonl", lines("one", "two"))
    run(file)

    said = run(file)

    assert said.startswith("0 new, 2 known already, 0 bad")
    assert OutboxRecord.objects.count() == 2


def test_a_quote_that_stands_there_twice_is_imported_once(tmp_path):
    assert run(written(tmp_path, "a.jsonl", lines("one", " one ", "one"))).startswith("1 new, 2 known")


def test_csv_has_a_header_and_an_optional_author(tmp_path):
    run(written(tmp_path, "a.csv", 'Author,Title\nThales,Know thyself\n,"Alone, with\na line end"\n\n'))

    assert titles() == ["Know thyself — Thales", "Alone, with\na line end"]


def test_fortunes_stand_between_percent_signs(tmp_path):
    run(written(tmp_path, "fortunes", FORTUNES))

    assert titles() == ["First thing.\n                -- Ada", "Second\n  thing.", "Third thing."]
    assert Quote.objects.get(title__startswith="First").author == "Ada"


def test_overstrikes_of_old_printers_are_taken_out(tmp_path):
    run(written(tmp_path, "a.fortune", "It ____\b\b\b\bdoes w\bwork.\n%\n"))

    assert titles() == ["It does work."]


def test_old_files_are_read_as_latin_1(tmp_path):
    run(written(tmp_path, "a.fortune", "Café\n%\n".encode("latin-1") + "Naïve\n".encode()))

    assert titles() == ["Café", "Naïve"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(lines("one"), ["one"]), ("title\none\n", ["one"]), ("one\n%\r\ntwo\n", ["one", "two"])],
)
def test_a_file_without_an_extension_is_recognised_by_its_content(tmp_path, content, expected):
    run(written(tmp_path, "quotes", content))

    assert titles() == expected


def test_a_format_can_be_given(tmp_path):
    run(written(tmp_path, "one.txt", "The only one"), format="fortune")

    assert titles() == ["The only one"]


def test_what_cannot_be_recognised_says_so(tmp_path):
    with pytest.raises(CommandError, match="--format jsonl|csv|fortune"):
        run(written(tmp_path, "one.txt", "The only one"))


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CommandError, match=r"nowhere\.jsonl does not exist\.$"):
        run(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(("before", "says"), [(500, "is kept; start again"), (0, "csv|fortune.")])
def test_a_run_that_ends_early_says_that_something_is_kept_where_it_is(tmp_path, before, says):
    first = written(tmp_path, "a.jsonl", lines(*map(str, range(before))))

    with pytest.raises(CommandError) as caught:
        run(first, written(tmp_path, "one.txt", "The only one"))

    assert Quote.objects.count() == before
    assert ("is kept" in str(caught.value)) == bool(before)
    assert says in str(caught.value)


def test_a_folder_is_read_without_indexes_and_second_names(tmp_path):
    written(tmp_path, "a", FORTUNES)
    written(tmp_path, "a.dat", b"\0\0\0\2")
    os.symlink("a", tmp_path / "a.u8")
    os.symlink("a", tmp_path / "again")

    said = run(tmp_path, tmp_path / "a", tmp_path / "a.dat")

    assert said.startswith("3 new, 0 known already, 0 bad")


BAD = [
    ("a.jsonl", '{"title": "good"}\n{"title": \n', 2, "not JSON"),
    ("a.jsonl", '{"title": "good"}\n["title"]\n', 2, "not an object"),
    ("a.jsonl", '{"title": "good"}\n{"title": 5}\n', 2, "not an object"),
    ("a.jsonl", '{"title": "good"}\n{"title": " "}\n', 2, "empty"),
    ("a.jsonl", '{"title": "good"}\n' + lines("x" * 2001), 2, "2,001"),
    ("a.jsonl", '{"title": "good"}\n' + lines("a\0b"), 2, "U+0000"),
    ("a.jsonl", '{"title": "good"}\n' + lines("\ud800"), 2, "U+D800"),
    ("a.jsonl", lines("x" * 200_000) + '{"title": "good"}\n', 1, "longer than"),
    ("a.jsonl", '{"title": "good"}\n' + "[" * 50_000 + "\n", 2, "not JSON"),
    ("a.csv", "title\ngood\n" + "x" * 2001 + "\n", 3, "2,001"),
    ("a.csv", "title\n" + "x" * 200_000 + "\ngood\n", 2, "longer than"),
    ("a.csv", "author,title\n,good\nAda\n", 3, "empty"),
    ("a.csv", 'title\ngood\n"open\nall the rest\n', 3, 'a " is never closed'),
    ("a.csv", 'title\n"a"b\ngood\n', 2, "not CSV"),
    ("a.jsonl", '{"title": "good"}\n' + lines("a\u202eb"), 2, "RIGHT-TO-LEFT OVERRIDE"),
    ("a.fortune", "good\n%\n" + "x\n" * 1001, 3, "2,001"),
    ("a.fortune", "x\n" * 40_000 + "%\ngood\n", 1, "longer than"),
]


@pytest.mark.parametrize(("name", "content", "line", "why"), BAD)
def test_a_bad_line_is_counted_and_named_and_no_obstacle(tmp_path, capsys, name, content, line, why):
    file = written(tmp_path, name, content)

    said = run(file)

    named = capsys.readouterr().err
    assert titles() == ["good"]
    assert "1 new, 0 known already, 1 bad" in said
    assert named.startswith(f"{file}:{line}: ")
    assert why in named


def test_a_table_without_the_column_is_one_fault(tmp_path, capsys):
    with pytest.raises(CommandError, match="0 new, 0 known already, 1 bad"):
        run(written(tmp_path, "a.csv", "name\nx\n"))

    assert "no column named title" in capsys.readouterr().err


def test_a_header_that_cannot_be_read_is_one_fault(tmp_path, capsys):
    with pytest.raises(CommandError, match="1 bad"):
        run(written(tmp_path, "a.csv", 'title,"author\nx,y\n'))

    assert "the header is not CSV" in capsys.readouterr().err


def test_an_import_of_bad_lines_alone_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="0 new, 0 known already, 2 bad"):
        run(written(tmp_path, "a.jsonl", "{\n{\n"))


def test_a_bad_line_beside_known_ones_is_no_error(tmp_path):
    file = written(tmp_path, "a.jsonl", lines("one") + "{\n")
    run(file)

    assert run(file).startswith("0 new, 1 known already, 1 bad")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.fortune"])
def test_an_empty_file_says_so(tmp_path, name):
    with pytest.raises(CommandError, match=rf"There are no quotes in .*{name}\."):
        run(written(tmp_path, name, ""))


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(CommandError, match=r"There are no quotes in "):
        run(tmp_path)


def test_many_are_imported_in_batches(tmp_path, django_assert_max_num_queries):
    file = written(tmp_path, "a.jsonl", lines(*map(str, range(1200))))

    with django_assert_max_num_queries(90):
        said = run(file)

    assert said.startswith("1,200 new")
    assert OutboxRecord.objects.count() == 1200


def test_an_import_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    file = written(tmp_path, "a.jsonl", lines(*map(str, range(1200))))
    add, batches = importing.add_quotes, []

    def stopped(batch):
        batches.append(batch)
        if len(batches) == 2:
            raise KeyboardInterrupt
        return add(batch)

    monkeypatch.setattr(importing, "add_quotes", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(file)
    assert Quote.objects.count() == OutboxRecord.objects.count() == 500

    monkeypatch.setattr(importing, "add_quotes", add)
    said = run(file)

    assert said.startswith("700 new, 500 known already")
    assert Quote.objects.count() == OutboxRecord.objects.count() == 1200


def test_a_quote_that_somebody_adds_meanwhile_is_known_then(tmp_path, monkeypatch):
    add, tries = importing.add_quotes, []

    def raced(batch):
        tries.append(batch)
        if len(tries) == 1:
            raise IntegrityError("UNIQUE constraint failed")
        return add(batch)

    monkeypatch.setattr(importing, "add_quotes", raced)

    assert run(written(tmp_path, "a.jsonl", lines("one", "two"))).startswith("2 new")


def test_the_quotes_that_come_along_are_about_a_hundred_and_all_good():
    said = run(importing.__file__.replace("importing.py", "quotes.jsonl"))

    assert re.match(r"1[0-4]\d new, 0 known already, 0 bad", said)
    assert all(quote.author for quote in Quote.objects.all())
