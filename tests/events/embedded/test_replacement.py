"""The embedded broker dies under its users, and a new one takes its place."""

import asyncio
import os
import signal
import threading

from events.embedded.client import Use, aheld_open, held_open, status
from tests.events.embedded.kafka_clients import produce
from tests.waiting import until_sync

TWO_TOPICS = {"quotes": 3, "likes": 5}


async def test_when_it_dies_under_a_user_a_new_one_takes_its_place(folder, caplog):
    replaced = threading.Event()
    async with aheld_open(folder, Use(topics=TWO_TOPICS, on_replaced=replaced.set)) as broker:
        before = status(folder)

        os.kill(before.pid, signal.SIGKILL)

        assert await asyncio.to_thread(replaced.wait, 30)
        after = status(folder)
        assert (after.address, after.topics) == (before.address, before.topics)
        assert after.pid != before.pid
        await produce(broker.address, "quotes", [b"x"])
    assert "its records in memory are lost" in caplog.text


def test_all_users_of_one_that_died_share_the_next_one(folder, user):
    users = [user() for _ in range(3)]
    before = [one.told() for one in users][0]["pid"]

    os.kill(before, signal.SIGKILL)

    found = until_sync(lambda: (now := status(folder)) and len(now.users) == 3 and now, timeout=30)
    assert sorted(found.users) == sorted(one.pid for one in users)


def test_the_watch_goes_on_when_on_replaced_fails(folder, caplog):
    def fail():
        raise RuntimeError("the loop is closed")

    with held_open(folder, Use(on_replaced=fail)) as broker:
        for _ in range(2):
            last = status(folder).pid

            os.kill(last, signal.SIGKILL)

            until_sync(lambda last=last: (now := status(folder)) and now.pid != last and now.users, timeout=30)
        until_sync(lambda: caplog.text.count("on_replaced of the embedded broker failed") == 2)
        assert status(folder).address == broker.address
