"""Functions that can handle events, and those that cannot."""

import pytest

from events import Event
from events.core.signature import problems


class Base(Event):
    item: int


class Sold(Base, topic="shop"):
    pass


class Returned(Base, topic="shop"):
    pass


def streams(event):
    yield event


async def streams_later(event):
    yield event


def bare(event): ...
def sold(event: Sold): ...
def either(event: Sold | Returned): ...
def base(event: Base): ...
def many(events: list[Sold]): ...
def later(event: "Sold"): ...
def unknown(event: "Nowhere"): ...  # noqa: F821
def number(event: int): ...


@pytest.mark.parametrize("function", [bare, sold, either, base, later, unknown, number])
def test_a_function_that_fits_its_events_passes(function):
    assert list(problems(function, (Sold,), batch=False)) == []


@pytest.mark.parametrize("function", [bare, many, unknown])
def test_a_function_that_fits_a_batch_passes(function):
    assert list(problems(function, (Sold,), batch=True)) == []


@pytest.mark.parametrize("function", [streams, streams_later])
def test_a_generator_would_run_nothing(function):
    [problem] = problems(function, (Sold,), batch=False)

    assert "`yield`" in problem


@pytest.mark.parametrize("function", [sold, later])
def test_a_function_that_takes_another_event_is_named_with_both(function):
    [problem] = problems(function, (Returned,), batch=False)

    assert problem == "the function takes Sold, but would be given Returned."


def test_a_batch_is_no_single_event():
    [problem] = problems(sold, (Sold,), batch=True)

    assert "batch= gives a list" in problem
    assert "list[Sold]" in problem
