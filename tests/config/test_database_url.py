"""`DATABASE_URL`: what it gives, and what it says when it cannot be used; never the password."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.database_url import database_from

FOLDER = Path("somewhere")


def test_a_postgres_url_is_taken_apart_and_its_password_decoded():
    found = database_from("postgres://shop:p%40ss%2Fw%3Ard@db.local:5433/quotes?sslmode=require", FOLDER)

    assert found == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "quotes",
        "USER": "shop",
        "PASSWORD": "p@ss/w:rd",
        "HOST": "db.local",
        "PORT": "5433",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"sslmode": "require"},
    }


def test_the_driver_of_mysql_gets_numbers_as_numbers():
    found = database_from("mysql://shop@h/n?connect_timeout=5&ssl_mode=REQUIRED", FOLDER)

    assert found["OPTIONS"] == {"connect_timeout": 5, "ssl_mode": "REQUIRED"}


@pytest.mark.parametrize(
    ("url", "engine"), [("postgresql://h/n", "postgresql"), ("mysql://h/n", "mysql"), ("postgres:///n", "postgresql")]
)
def test_what_is_not_said_is_left_to_the_driver(url, engine):
    found = database_from(url, FOLDER)

    assert found["ENGINE"] == f"django.db.backends.{engine}"
    assert (found["NAME"], found["USER"], found["PASSWORD"], found["PORT"]) == ("n", "", "", "")


@pytest.mark.parametrize(
    ("url", "name"),
    [("sqlite:///db.sqlite3", FOLDER / "db.sqlite3"), ("sqlite:////var/a%20b.sqlite3", Path("/var/a b.sqlite3"))],
)
def test_sqlite_takes_a_path_and_writes_side_by_side_with_readers(url, name):
    found = database_from(url, FOLDER)

    assert found["NAME"] == name
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("oracle://shop:hunter2@h/n", "postgres://"),
        ("postgres://shop:hunter2@h", "name of the database"),
        ("postgres://shop:hunter2@h:port/n", "percent-encode"),
        ("postgres://shop:hun#ter2@h/n", "percent-encode|name of the database"),
        ("sqlite://db.sqlite3", "three slashes"),
        ("sqlite:///db.sqlite3?timeout=5", "ends with the path"),
        ("sqlite:///a#b.sqlite3", "ends with the path"),
        ("hunter2", "postgres://"),
    ],
)
def test_what_cannot_be_used_is_refused_without_the_password(url, says):
    with pytest.raises(ImproperlyConfigured, match=says) as caught:
        database_from(url, FOLDER)

    assert "hun" not in str(caught.value)
    assert caught.value.__cause__ is None
