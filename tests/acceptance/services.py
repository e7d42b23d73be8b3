"""Quotes and Likes as the tests meet them: in one process or two, on the embedded broker or real Kafka."""

import asyncio
from dataclasses import dataclass

import pytest

from events.core.broker import Partition
from events.kafka.connection import Connection
from events.kafka.positions import Positions
from tests.acceptance.project import Project
from tests.waiting import until_sync

EFFECT_S = 90  # after an outage, and after a start without Kafka, some parts wait for half a minute

ON_MYSQL = pytest.param("apart_on_mysql", marks=[pytest.mark.mysql, pytest.mark.kafka])
"""A parameter of fixtures: in two processes on MariaDB, where that is asked for."""


@dataclass
class Services:
    """Where Quotes and Likes answer. In one process both projects are the same, and Likes lies below `/likes`."""

    quotes: Project
    likes: Project
    likes_path: str = ""

    @property
    def projects(self):
        """The processes, each once."""
        return [self.quotes] if self.quotes is self.likes else [self.quotes, self.likes]

    def create(self, title, user="alice"):
        """Create a quote and return the answer."""
        return self.quotes.ask("POST", "/quotes/", {"title": title}, user=user)

    def quote(self, quote_id):
        """The quote as Quotes shows it."""
        return self.quotes.ask("GET", f"/quotes/{quote_id}/")

    def copy(self, quote_id):
        """The quote as Likes shows it."""
        return self.likes.ask("GET", f"{self.likes_path}/quotes/{quote_id}/")

    def like(self, quote_id, user="bob"):
        """Like a quote and return the answer."""
        return self.likes.ask("POST", f"{self.likes_path}/quotes/{quote_id}/like/", user=user)

    def wait_for_copy(self, quote_id, title=None):
        """Wait until Likes holds the quote, with this title if one is given."""
        return until_sync(lambda: self._copied(quote_id, title), EFFECT_S)

    def wait_for_no_copy(self, quote_id):
        """Wait until Likes has forgotten the quote."""
        until_sync(lambda: self.copy(quote_id).status == 404, EFFECT_S)

    def wait_for_likes(self, quote_id, count):
        """Wait until Quotes counts so many likes."""
        until_sync(lambda: self.quote(quote_id).body["like_count"] == count, EFFECT_S)

    def settled(self):
        """Wait until every outbox is empty and Likes holds as many quotes as Quotes; return how many."""
        until_sync(lambda: not any(project.count("kafka_events.OutboxRecord") for project in self.projects), 300)
        until_sync(lambda: self.quotes.count("quotes.Quote") == self.likes.count("likes.KnownQuote"), 300)
        return self.quotes.count("quotes.Quote")

    def entries(self):
        """How many rows the ledger beside Likes has, once its group has handled all that Kafka holds."""
        until_sync(lambda: asyncio.run(self._lag("ledger", "quotes")) == 0, 120)
        return self.likes.count("ledger.Entry")

    async def _lag(self, group, topic):
        environment = self.likes.environment
        prefix, connection = environment["EVENTS_PREFIX"], Connection(environment["EVENTS_BOOTSTRAP_SERVERS"])
        partitions = [Partition(prefix + topic, number) for number in range(6)]
        async with Positions(connection) as positions:
            ends = await positions.ends(partitions)
            committed = await positions.committed(prefix + group, partitions)
        return sum(end - (committed[partition] or 0) for partition, end in ends.items())

    def _copied(self, quote_id, title):
        answer = self.copy(quote_id)
        return answer.status == 200 and (title is None or answer.body["title"] == title)
