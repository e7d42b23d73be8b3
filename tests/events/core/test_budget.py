"""How long the engine may hold the event loop."""

import asyncio

from events.core.budget import LoopBudget
from events.core.engine import EngineOptions
from tests.events.core.consuming import Fleet


async def test_the_loop_is_not_held_while_nothing_waits():
    fleet = Fleet()
    fleet.send(5000)
    longest, last = 0.0, asyncio.get_running_loop().time()

    async with fleet.running(options=EngineOptions()) as engine:
        while engine.facts.handled < 5000:
            await asyncio.sleep(0)
            now = asyncio.get_running_loop().time()
            longest, last = max(longest, now - last), now

    assert fleet.diary.offsets() == list(range(5000))
    assert longest < 0.1


async def test_within_its_time_it_does_not_yield():
    budget, others = LoopBudget(turn_s=60), []
    asyncio.get_running_loop().call_soon(others.append, "turn")

    for _ in range(100):
        await budget.spend()

    assert others == []


async def test_after_its_time_each_piece_of_work_is_a_turn_of_its_own():
    budget, others = LoopBudget(turn_s=0), []
    await budget.spend()
    asyncio.get_running_loop().call_soon(others.append, "turn")

    await budget.spend()

    assert others == ["turn"]


async def test_all_share_the_time_of_one_turn():
    budget, done = LoopBudget(turn_s=0), []

    async def work(name):
        for number in range(3):
            await budget.spend()
            done.append((name, number))

    await asyncio.gather(work("a"), work("b"))

    assert len({name for name, _ in done[:4]}) == 2
