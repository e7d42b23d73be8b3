"""When positions are stored: again after a refusal, never twice at once, and never waited for without a limit."""

import asyncio

import pytest

from events.core import commits as commits_module
from events.core.errors import BrokerUnavailable
from tests.events.core.consuming import Fleet
from tests.waiting import until


async def test_a_refused_commit_is_said_again():
    fleet = Fleet()
    fleet.broker.refuse_commits(3)
    fleet.send(3)

    async with fleet.running():
        await until(fleet.all_committed)

    assert fleet.committed() == 3


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), TimeoutError()])
async def test_a_commit_that_fails_is_said_again(error):
    fleet = Fleet()
    engine = fleet.engine()
    errors = [error]

    async def commit(positions, commit=fleet.consumers[0].commit):
        if errors:
            raise errors.pop()
        return await commit(positions)

    fleet.consumers[0].commit = commit
    fleet.send(3)
    running = asyncio.create_task(engine.run())
    await until(fleet.all_committed)

    engine.stop()
    await running


async def test_handling_goes_on_while_a_commit_blocks_and_the_stop_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(commits_module, "LIMIT_S", 0.05)
    fleet = Fleet()
    engine = fleet.engine()
    asked = asyncio.Event()

    async def commit(positions):
        asked.set()
        await asyncio.Event().wait()

    fleet.consumers[0].commit = commit
    fleet.send(1)
    running = asyncio.create_task(engine.run())
    await asked.wait()
    fleet.send(2)
    await until(lambda: len(fleet.diary.handled) == 3)

    engine.stop()
    await asyncio.wait_for(running, 30)

    assert fleet.committed() is None


async def test_a_bug_in_commit_ends_the_engine():
    fleet = Fleet()
    engine = fleet.engine()

    async def commit(positions):
        raise ZeroDivisionError

    fleet.consumers[0].commit = commit
    fleet.send(1)

    with pytest.raises(ZeroDivisionError):
        await engine.run()
