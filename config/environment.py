"""The environment as settings: `EVENTS_<KEY>` for every key of `EVENTS`, in the kind that the key has.

Text as it is, numbers as numbers, `RUN` as words with commas, dicts as JSON. What does not parse is refused with the
name of the variable, never with its value: some are secret.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from events.conf import Config, unknown_key

PREFIX = "EVENTS_"


def events_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """The keys of `EVENTS` that the environment sets. Raises `ImproperlyConfigured` for a wrong name or value."""
    known = {one.name: one for one in fields(Config)}
    named = {name.removeprefix(PREFIX): text for name, text in environ.items() if name.startswith(PREFIX) and text}
    for name in named.keys() - known.keys():
        raise ImproperlyConfigured(f"In the environment: {PREFIX}{name}. {unknown_key(name)}")
    return {name: _parse(known[name], text) for name, text in named.items()}


def _parse(one: "Field[Any]", text: str) -> Any:
    default = one.default if one.default is not MISSING else {}
    try:
        return _value(default, text)
    except ValueError:
        kind = "a JSON object" if isinstance(default, dict) else "a number"
        raise ImproperlyConfigured(f"{PREFIX}{one.name} in the environment must be {kind}.") from None


def _value(default: object, text: str) -> Any:
    if isinstance(default, str):
        return text
    if isinstance(default, tuple):
        return tuple(word.strip() for word in text.split(",") if word.strip())
    if isinstance(default, dict):
        return json.loads(text)
    return int(text) if isinstance(default, int) else float(text)
