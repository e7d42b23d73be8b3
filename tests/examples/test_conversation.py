"""The two services talk, in one process and in memory: views publish, the relay sends, the subscribers have effects."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from events.core.codec import Codec
from events.core.engine import Engine
from events.core.registry import registry
from events.core.retry import RetryPolicy
from events.database import database_threads
from events.handling import Handling
from events.models import OutboxRecord
from events.relay import Relay
from events.testing.memory import MemoryBroker
from examples.likes.models import KnownQuote
from examples.models import PassedEvent
from examples.quotes.models import Quote, QuoteLike
from tests.examples.conftest import basic
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Conversation:
    """Kafka in memory, a relay, and an engine for each of the two groups."""

    def __init__(self, threads, thread):
        self.broker = MemoryBroker({"quotes": 3, "likes": 3})
        self.threads, self.thread = threads, thread
        self.groups = [group for name, group in registry.groups("tests").items() if name in ("quotes", "likes")]

    async def send(self, method, address, body=""):
        """One request of Ada's, and everything that follows from it until it was sent."""
        answer = await AsyncClient().generic(method, address, body, "application/json", headers=basic("ada"))
        await Relay(self.broker.producer, self.thread).run_once()
        return answer

    @asynccontextmanager
    async def handling(self):
        """Both engines, for as long as the block."""
        engines = [self._engine(group) for group in self.groups]
        async with asyncio.TaskGroup() as tasks:
            for engine in engines:
                tasks.create_task(engine.run())
            yield
            for engine in engines:
                engine.stop()

    def _engine(self, group):
        handling = Handling(group, Codec("tests", ""), RetryPolicy(3, 0.01, 0.01), self.threads)
        return Engine(self.broker.consumer(group.name, group.topics), handling.handle)


@pytest.fixture
async def conversation(ada):
    async with AsyncExitStack() as stack:
        threads = await stack.enter_async_context(database_threads())
        relays = await stack.enter_async_context(database_threads(1, "relay"))
        yield Conversation(threads, await stack.enter_async_context(relays.borrowed()))


async def reach(read, expected):
    """Wait until the database says so."""
    deadline = asyncio.get_running_loop().time() + 10
    while (last := await sync_to_async(read)()) != expected:
        assert asyncio.get_running_loop().time() < deadline, f"{last!r}, not {expected!r}"


def copies():
    return list(KnownQuote.objects.values_list("title", flat=True))


def likes():
    return list(Quote.objects.values_list("like_count", flat=True))


async def test_a_quote_becomes_a_copy_and_a_like_is_counted_once(conversation):
    async with conversation.handling():
        created = await conversation.send("POST", "/quotes/", '{"title": "first"}')
        address = f"/quotes/{created.json()['id']}/"
        await reach(copies, ["first"])

        assert (await conversation.send("POST", f"/likes{address}like/")).status_code == 201
        assert (await conversation.send("POST", f"/likes{address}like/")).status_code == 409
        await reach(likes, [1])

        await conversation.send("PUT", address, '{"title": "second"}')
        await reach(copies, ["second"])

        await conversation.send("DELETE", address)
        await reach(copies, [])
    passed = PassedEvent.objects.order_by("pk").values_list("type", "group")
    assert await sync_to_async(list)(passed) == [
        ("QuoteCreated", "likes"),
        ("QuoteLiked", "quotes"),
        ("QuoteUpdated", "likes"),
        ("QuoteDeleted", "likes"),
    ]


async def test_everything_delivered_again_changes_nothing(conversation):
    async with conversation.handling():
        created = await conversation.send("POST", "/quotes/", '{"title": "first"}')
        await reach(copies, ["first"])
        await conversation.send("POST", f"/likes/quotes/{created.json()['id']}/like/")
        await reach(likes, [1])

    for group in ("quotes", "likes"):
        conversation.broker.group(group).committed.clear()
    async with conversation.handling():
        await until(lambda: all(sum(conversation.broker.group(one).committed.values()) for one in ("quotes", "likes")))

    assert await sync_to_async(likes)() == [1]
    assert await QuoteLike.objects.acount() == 1
    assert await sync_to_async(copies)() == ["first"]
    assert await PassedEvent.objects.acount() == 2


async def test_likes_that_come_after_the_quote_is_gone_stop_nobody(conversation):
    created = await conversation.send("POST", "/quotes/", '{"title": "first"}')
    address = f"/quotes/{created.json()['id']}/"
    async with conversation.handling():
        await reach(copies, ["first"])
    await conversation.send("POST", f"/likes{address}like/")
    await conversation.send("DELETE", address)

    async with conversation.handling():
        await reach(copies, [])
        await reach(PassedEvent.objects.count, 3)

    assert await OutboxRecord.objects.acount() == 0
    assert await QuoteLike.objects.acount() == 0
