"""The subscriber that tells the sockets: only this example's settings declare it, and what it does."""

import importlib
import sys

import pytest

from events.core.registry import registry
from examples.contracts import QuoteLiked
from tests.examples.test_settings import started
from tests.examples.with_channels.conftest import browser

MODULE = "examples.with_channels.subscribers"
SHOW = """
import django, sys
django.setup()
from django.core.management import call_command
from events.core.registry import registry
call_command("check")
print(*(one.name for one in registry.subscribers if one.broadcast), "channels" in sys.modules, sep=",")
"""


@pytest.fixture
def push_like():
    """The subscriber, declared for this test only."""
    before = [*registry.subscribers]
    yield importlib.import_module(MODULE).push_like
    registry.subscribers[:] = before
    del sys.modules[MODULE]


@pytest.mark.django_db(transaction=True)
async def test_a_like_is_told_to_the_sockets_of_its_quote(push_like, quote, session):
    async with browser(f"/ws/quotes/{quote.pk}/", session=session) as socket:
        await socket.open()
        await socket.said()

        await push_like(QuoteLiked(quote_id=quote.pk, username="bob"))

        assert await socket.said() == {"id": quote.pk, "likes": 1, "username": "bob"}


async def test_a_like_of_a_quote_that_nobody_looks_at_is_told_to_nobody(push_like, layer):
    await push_like(QuoteLiked(quote_id=1, username="bob"))

    assert layer.channels == {}


@pytest.mark.parametrize(
    ("module", "said"), [("examples.with_channels.settings", "push_like,True"), ("config.settings", "False")]
)
def test_only_these_settings_declare_it_and_load_channels(tmp_path, module, said):
    process = started(tmp_path, module, SHOW)

    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].lstrip(",") == said
