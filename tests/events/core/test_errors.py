"""The tree of errors, as its file draws it."""

import inspect
import re
from datetime import timedelta

import pytest

from events.core import errors
from events.core.errors import EventsError, Retry, Undecodable


def test_the_tree_in_the_docstring_names_every_error():
    classes = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}

    drawn = set(re.findall(r"── ([A-Z]\w+)", errors.__doc__))

    assert drawn | {"EventsError"} == classes


def test_one_class_catches_them_all():
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass)]

    assert all(issubclass(one, EventsError) for one in classes)


def test_a_subscriber_says_when_it_wants_the_event_again():
    assert Retry("busy", after_s=2.5).after_s == 2.5
    assert Retry().after_s is None


@pytest.mark.parametrize("wrong", ["5", float("nan"), timedelta(seconds=5)])
def test_a_wait_that_is_no_number_is_an_error_of_the_subscriber(wrong):
    with pytest.raises(TypeError, match="takes a number of seconds"):
        Retry(after_s=wrong)


def test_what_cannot_be_decoded_says_why_in_one_word():
    error = Undecodable("json", "The value is not JSON.")

    assert (error.reason, str(error)) == ("json", "The value is not JSON.")
