"""How long the engine may hold the event loop."""

import asyncio
import time
from itertools import pairwise

from events.core.budget import TURN_S, LoopBudget
from events.core.engine import EngineOptions
from events.core.outcome import DONE
from tests.events.core.consuming import Fleet


async def test_the_loop_is_not_held_while_records_are_there_and_nothing_waits():
    fleet, piece_s = Fleet(), 0.0002
    fleet.send(600)
    at_turns = [0]

    async def busy(records):
        until = time.perf_counter() + piece_s
        while time.perf_counter() < until:
            pass
        return [DONE]

    async with fleet.running(busy, EngineOptions()) as engine:
        while engine.facts.handled < 600:
            await asyncio.sleep(0)
            at_turns.append(engine.facts.handled)

    most_in_a_turn = max(after - before for before, after in pairwise(at_turns))
    assert most_in_a_turn <= TURN_S / piece_s + 2


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
