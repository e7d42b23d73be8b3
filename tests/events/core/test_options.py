"""The options of `@subscriber`: what cannot work is said, each with what to change."""

import pytest

from events.core.options import wrong_options

NOTHING = {"broadcast": False, "atomic": True, "group": None, "batch": None, "concurrency": None}
BROADCAST = {**NOTHING, "broadcast": True, "atomic": False}


@pytest.mark.parametrize("given", [NOTHING, BROADCAST, {**NOTHING, "group": "a", "batch": 1, "concurrency": 5}])
def test_what_works_has_no_problem(given):
    assert list(wrong_options(**given)) == []


@pytest.mark.parametrize("option", ["batch", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "many"])
def test_numbers_are_whole_and_positive(option, value):
    (problem,) = wrong_options(**{**NOTHING, option: value})

    assert problem == f"{option}= must be a whole number from 1, not {value!r}."


@pytest.mark.parametrize(("option", "value"), [("atomic", True), ("group", "a"), ("batch", 5), ("concurrency", 5)])
def test_what_makes_no_sense_for_a_broadcast_is_to_be_left_out(option, value):
    (problem,) = wrong_options(**{**BROADCAST, option: value})

    assert problem.startswith("broadcast=True ")
    assert problem.endswith(f": leave out {option}=.")


def test_broadcast_is_a_yes_or_a_no():
    assert list(wrong_options(**{**NOTHING, "broadcast": "yes"})) == ["broadcast= must be True or False, not 'yes'."]
