"""Which envelope belongs to the event that is being handled."""

import asyncio

import pytest

from events import Envelope, Event, envelope_of
from events.core.broker import Place
from events.core.envelope import current_traceparent, handling


class Heard(Event, topic="sounds"):
    loud: bool = False


def envelope(event, traceparent=None):
    return Envelope(event, "1", "Heard", "here", None, None, Place("sounds", 0, 7), traceparent)


def test_inside_the_block_the_envelope_is_found_by_identity():
    first, second = Heard(), Heard()

    with handling([envelope(first), found := envelope(second)]):
        assert envelope_of(second) is found


def test_outside_the_block_there_is_none():
    heard = Heard()

    with handling([envelope(heard)]):
        pass

    with pytest.raises(LookupError, match="only the events that a subscriber is handling"):
        envelope_of(heard)


async def test_a_thread_with_a_copy_of_the_context_finds_it_too():
    heard = Heard()

    with handling([expected := envelope(heard)]):
        found = await asyncio.to_thread(envelope_of, heard)

    assert found is expected


def test_the_trace_of_the_event_being_handled_is_the_current_one():
    with handling([envelope(Heard(), "00-aa-bb-01")]):
        inside = current_traceparent()

    assert (inside, current_traceparent()) == ("00-aa-bb-01", None)
