"""`manage.py demo_user`: a first user, in development only."""

import re
import sys
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def run():
    out = StringIO()
    call_command("demo_user", stdout=out)
    return out.getvalue()


def test_the_password_is_shown_once_and_works(settings):
    settings.DEBUG = True

    first, second = run(), run()

    password = re.search(r"password (\S+)", first)[1]
    assert authenticate(username="demo", password=password).is_staff
    assert password not in second
    assert "changepassword demo" in second


@pytest.mark.parametrize("here", [True, False])
def test_the_second_run_names_a_command_that_can_be_typed(settings, monkeypatch, tmp_path, here):
    settings.DEBUG = True
    python = (tmp_path if here else tmp_path.parent) / ".venv" / "bin" / "python"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(python))
    run()

    said = run()

    assert f" {'.venv/bin/python' if here else python} manage.py changepassword demo\n" in said


def test_it_refuses_outside_development(django_user_model):
    with pytest.raises(CommandError, match="DEBUG"):
        run()
    assert not django_user_model.objects.exists()
