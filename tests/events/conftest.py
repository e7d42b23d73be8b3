"""A place to declare subscribers and make records, and database threads to handle them on."""

import pytest

from events.database import database_threads
from tests.effects import Shop


@pytest.fixture
def shop():
    """An empty registry of its own."""
    return Shop()


@pytest.fixture
async def threads(outbox_database):
    """As many database threads as the settings say, ended after the test."""
    async with database_threads() as threads:
        yield threads
