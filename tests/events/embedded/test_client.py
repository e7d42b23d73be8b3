"""The embedded broker as its users see it: real child processes, real Kafka clients."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused
from events.embedded import client
from events.embedded.client import Use, aheld_open, check_allowed, held_open, status, stop
from events.embedded.folder import Folder
from events.embedded.headroom import LIMIT_BYTES
from events.embedded.room import BrokerRoom
from events.kafka.connection import Connection
from events.kafka.positions import Positions
from tests.events.embedded.kafka_clients import consume, produce
from tests.events.embedded.user_process import ROOT, User, runs
from tests.waiting import until, until_sync

TWO_TOPICS = {"quotes": 3, "likes": 5}


async def test_records_travel_through_it(folder):
    async with aheld_open(folder, Use(topics={"quotes": 3})) as broker:
        await produce(broker.address, "quotes", [b"one", b"two"])

        assert await consume(broker.address, "quotes", 2) == [b"one", b"two"]


async def test_the_first_member_of_a_group_does_not_wait_for_others(folder):
    async with aheld_open(folder, Use(topics={"quotes": 1})) as broker:
        await produce(broker.address, "quotes", [b"one"])

        took = []
        for number in range(3):
            before = time.monotonic()
            assert await consume(broker.address, "quotes", 1, group=f"readers {number}") == [b"one"]
            took.append(time.monotonic() - before)

        assert min(took) < 2.5  # the mock's own delay is 3 s; the machine may have stood still in the others


async def test_topics_have_the_partitions_they_were_declared_with(folder):
    async with aheld_open(folder, Use(topics=TWO_TOPICS)) as broker:
        quotes = await produce(broker.address, "quotes", [b"x"])
        likes = await produce(broker.address, "likes", [b"x"])

        assert (quotes, likes) == ({"quotes": {0, 1, 2}}, {"likes": {0, 1, 2, 3, 4}})
        assert status(folder).topics == TWO_TOPICS


def test_processes_that_ask_at_once_get_one_broker(user):
    users = [user() for _ in range(4)]

    told = [one.told() for one in users]

    assert len({(one["pid"], one["address"]) for one in told}) == 1


def test_it_ends_some_time_after_its_last_user_was_killed(folder, user):
    killed = user(linger_s=0.5)
    pid = killed.told()["pid"]

    killed.kill()

    until_sync(lambda: not runs(pid))
    assert "nobody used it for 0.5 s" in Folder(folder).log_tail()


def test_it_lives_on_when_its_starter_is_killed_with_all_its_process_group(folder, user):
    starter = user(linger_s=0.2)
    pid = starter.told()["pid"]
    other = user()
    other.told()

    starter.kill(group=True)
    until_sync(lambda: status(folder).users == [other.pid])

    with pytest.raises(AssertionError):
        until_sync(lambda: not runs(pid), timeout=0.6)


def test_it_is_not_a_child_of_its_starter_so_it_can_be_no_zombie(folder):
    with held_open(folder, Use()):
        pid = status(folder).pid

        assert f"PPid:\t{os.getpid()}\n" not in Path(f"/proc/{pid}/status").read_text()


def test_the_port_stays_when_it_is_started_again(folder, user):
    first = user(linger_s=30)
    before = first.told()
    first.leave()
    assert stop(folder) is None

    after = user().told()

    assert after["address"] == before["address"]
    assert after["pid"] != before["pid"]


def test_a_port_that_was_taken_meanwhile_is_left_alone(folder, user):
    first = user(linger_s=30)
    before = first.told()["address"]
    first.leave()
    assert stop(folder) is None

    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        after = user().told()["address"]

    assert after != before


def test_status_tells_who_uses_it_for_what(folder, user):
    one = user(topics={"quotes": 2}, groups={"likes": ["quotes"]})
    pid = one.told()["pid"]

    found = status(folder)

    assert (found.pid, found.users, found.topics) == (pid, [one.pid], {"quotes": 2})
    assert found.groups == {"likes": ["quotes"]}
    assert 0 <= found.uptime_s < 60


def test_without_a_broker_there_is_no_status_and_nothing_to_stop(folder):
    assert status(folder) is None
    assert stop(folder) is None
    assert not folder.exists()


def test_it_is_not_stopped_under_somebody_who_uses_it(folder, user):
    one = user()
    pid = one.told()["pid"]

    why = stop(folder)

    assert why == f"Still used by process {one.pid}."
    assert runs(pid)


def test_it_is_gone_once_it_was_stopped(folder, user):
    one = user(linger_s=30)
    pid = one.told()["pid"]
    one.leave()

    assert stop(folder) is None

    with Folder(folder).locked("broker", 0):
        until_sync(lambda: not runs(pid))


async def test_at_its_end_it_says_what_it_took_with_it(folder):
    async with aheld_open(folder, Use(topics={**TWO_TOPICS, "users": 1})) as broker:
        await produce(broker.address, "quotes", [b"one", b"two"])
        await produce(broker.address, "users", [b"one"])

    assert await asyncio.to_thread(stop, folder) is None

    await until(lambda: Folder(folder).log_tail().endswith("gone with it: quotes with 2 records, users with 1 record"))


async def test_at_its_end_without_records_it_says_so(folder):
    async with aheld_open(folder, Use(topics=TWO_TOPICS)):
        pass

    assert await asyncio.to_thread(stop, folder) is None

    await until(lambda: Folder(folder).log_tail().endswith("gone with it: no records"))


@pytest.mark.parametrize("end", [User.leave, User.kill])
def test_the_groups_of_all_processes_are_known_to_each_until_they_end(folder, user, end):
    with held_open(folder, Use(groups={"likes": ["quotes"]})) as broker:
        other = user(groups={"quotes": ["likes"], "likes": ["users"]})
        other.told()
        until_sync(lambda: dict(broker.groups) == {"likes": ["quotes", "users"], "quotes": ["likes"]})

        end(other)

        until_sync(lambda: dict(broker.groups) == {"likes": ["quotes"]})
        assert status(folder).groups == {"likes": ["quotes"]}


async def test_a_group_whose_process_has_ended_no_longer_holds_the_outbox_back(folder, user, caplog):
    async with aheld_open(folder, Use(topics={"quotes": 1})) as broker:
        await produce(broker.address, "quotes", [b"one"])  # an earlier relay did
        other = user(groups={"old": ["quotes"]})
        other.told()
        await until(lambda: "old" in broker.groups)
        connection = Connection(broker.address, embedded=True)
        room = BrokerRoom(broker.topics, lambda: broker.groups, open_positions=lambda: Positions(connection))
        assert await room.room() == 0
        assert "holds everything back until group old has read it" in caplog.text

        other.kill()
        await until(lambda: not broker.groups)

        assert await room.room() == LIMIT_BYTES


def test_a_second_member_of_a_group_is_warned_of(folder, user, caplog):
    with held_open(folder, Use(groups={"likes": ["quotes"]}, consumes=["likes"])):
        user(groups={"likes": ["quotes"]}).told()
        assert "consume group" not in Folder(folder).log_tail()

        user(consumes=["likes"]).told()

        until_sync(lambda: "Two processes consume group likes" in caplog.text)
    assert "Two processes consume group likes" in Folder(folder).log_tail()


def test_a_topic_with_another_number_of_partitions_is_warned_of(folder, user, caplog):
    with held_open(folder, Use(topics={"quotes": 2})):
        user(topics={"quotes": 3}).told()

        until_sync(lambda: "Topic quotes has 2 partitions, not 3" in caplog.text)


async def test_dropped_records_are_told(folder, caplog):
    async with aheld_open(folder, Use(topics={"quotes": 1})) as broker:
        await produce(broker.address, "quotes", [bytes(1_000_000)] * 7)

        await until(lambda: "quotes/0 has dropped its oldest" in caplog.text)


def test_it_ends_when_its_folder_was_deleted(folder, user):
    one = user()
    pid = one.told()["pid"]

    (folder / "control.sock").unlink()

    until_sync(lambda: not runs(pid), timeout=30)
    until_sync(lambda: (now := status(folder)) and now.users == [one.pid], timeout=30)  # it has a new one


def test_it_does_not_hold_the_pipes_of_who_asked(folder):
    held = "with held_open(sys.argv[1], Use(linger_s=300)): print('held')"  # the broker outlives the time limit below
    script = f"import sys; from events.embedded.client import *\n{held}"

    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, cwd=ROOT, timeout=60)

    assert (done.stdout, done.stderr) == (b"held\n", b"")
    assert status(folder).users == []


def test_a_long_path_works_too(tmp_path, folder):
    deep = tmp_path / ("d" * 60) / ("e" * 60)

    with held_open(deep, Use()) as broker:
        assert status(deep).address == broker.address
        control = Folder(deep).state().control
        assert os.stat(os.path.dirname(control)).st_mode & 0o077 == 0

    assert stop(deep) is None
    os.rmdir(os.path.dirname(control))


def test_a_broker_that_cannot_start_shows_its_log(folder, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")

    with pytest.raises(BrokerUnavailable, match=r"(?s)broker\.log.*encodings"), held_open(folder, Use()):
        pass


def test_without_confluent_kafka_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(client.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(EmbeddedBrokerRefused, match=r"django-kafka-events\[embedded\]"), held_open(folder, Use()):
        pass


async def test_cancelling_the_opening_leaves_no_user_behind(folder):
    async def hold():
        async with aheld_open(folder, Use()):
            pytest.fail("it was cancelled before")

    opening = asyncio.create_task(hold())
    await until(lambda: (folder / "start.lock").exists())
    opening.cancel()
    await asyncio.wait([opening])
    await asyncio.get_running_loop().shutdown_default_executor()  # the thread that opens has ended

    assert opening.cancelled()
    await until(lambda: (now := status(folder)) and now.users == [])


def test_it_is_refused_outside_development():
    check_allowed(debug=True)

    with pytest.raises(EmbeddedBrokerRefused, match="DEBUG"):
        check_allowed(debug=False)
