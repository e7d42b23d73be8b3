"""Both lifespans run: FastAPI's inside ours."""

from contextlib import asynccontextmanager

from lifespan import Lifespan
from lifespan.testing import running


async def test_the_apis_lifespan_runs_inside_ours(application, caplog):
    caplog.set_level("INFO", "examples")

    @asynccontextmanager
    async def ours(run):
        caplog.messages_before = len(caplog.messages)
        yield {"ours": "open"}
        caplog.messages_after = list(caplog.messages)

    async with running(Lifespan(application, ours)) as state:
        assert state["ours"] == "open"
        assert [message[:13] for message in caplog.messages] == ["The API is up"]

    assert caplog.messages_before == 0
    assert caplog.messages_after[1:] == ["The API is closed."]
