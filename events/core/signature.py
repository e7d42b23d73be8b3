"""What the function of a subscriber must look like, so that it runs and is given what it expects."""

import inspect
from collections.abc import Callable, Iterable

from events.core.event import Event


def problems(function: Callable[..., object], events: tuple[type[Event], ...], *, batch: bool) -> Iterable[str]:
    """What is wrong with a function that is to handle these events, one sentence each."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield "the function has a `yield`, so a call would run nothing of it: write a plain `def` or `async def`."
    elif _arguments(function) != 1:
        yield "the function must take exactly one argument: the event, or with batch= the list of events."
    elif expected := _expected(function):
        if batch:
            yield f"batch= gives a list, so the argument is no {expected.__name__}: list[{expected.__name__}]."
        elif not any(issubclass(one, expected) for one in events):
            named = " | ".join(one.__name__ for one in events)
            yield f"the function takes {expected.__name__}, but would be given {named}."


def _arguments(function: Callable[..., object]) -> int:
    parameters = inspect.signature(function).parameters.values()
    gathering = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [one for one in parameters if one.default is one.empty and one.kind not in gathering]
    return len(required) if all(one.kind is not one.KEYWORD_ONLY for one in required) else -1


def _expected(function: Callable[..., object]) -> type[Event] | None:
    """The event class that the only argument is annotated with; None for anything else, or what cannot be resolved."""
    try:
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values())).annotation
    except Exception:  # an annotation may be any expression, of names that only type checkers import
        return None
    return first if isinstance(first, type) and issubclass(first, Event) else None
