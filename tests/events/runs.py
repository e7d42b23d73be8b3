"""A run of resources in a test."""

from contextlib import asynccontextmanager

from lifespan import Run


@asynccontextmanager
async def up(*resources):
    """A run of these resources, which must end without a problem."""
    run = Run(*resources)
    await run.start()
    try:
        yield run
    finally:
        await run.finish()
    assert run.problems == []
