"""The driver: what an application is told, and how its answers are read."""

import asyncio

import pytest

from lifespan import NotStarted
from lifespan.driver import lifespan_of


def answering(*answers):
    """An application that gives these answers, one for each message, and keeps what it got."""

    async def application(scope, receive, send):
        application.scope = scope
        for answer in answers:
            application.told.append(await receive())
            await send({"type": f"lifespan.{answer}", **application.more})

    application.told, application.more = [], {}
    return application


async def test_startup_and_shutdown_are_told_by_the_specification():
    application = answering("startup.complete", "shutdown.complete")

    async with lifespan_of(application, state={"a": 1}) as task:
        assert task

    assert application.told == [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert application.scope == {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "state": {"a": 1},
    }


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "its startup failed, without a message"),
        ({"message": "???"}, "???"),
        ({"message": "no broker (yet)"}, "no broker (yet)"),
        ({"message": "Traceback:\n  | File\n  | OSError: no broker\n  +-----\n"}, "OSError: no broker"),
    ],
)
async def test_a_failure_has_one_line_and_the_rest_is_a_note(more, told):
    application = answering("startup.failed")
    application.more = more

    with pytest.raises(NotStarted) as caught:
        async with lifespan_of(application):
            pytest.fail("it is up")

    assert str(caught.value) == told
    assert getattr(caught.value, "__notes__", [told]) == [more.get("message", told)]


async def test_a_call_that_raises_at_once_is_no_lifespan():
    def application(scope, receive, send):
        raise ValueError("not for me")

    async with lifespan_of(application) as task:
        assert task is None


async def test_what_still_runs_at_the_end_is_cancelled_and_waited_for():
    ended = []

    async def application(scope, receive, send):
        try:
            for answer in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{answer}.complete"})
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async with lifespan_of(application) as task:
        assert not task.done()

    assert ended == [True]
