"""Resources that note what becomes of them."""

import asyncio
from contextlib import asynccontextmanager


def noted(name, log, *, opening=None, closing=None):
    @asynccontextmanager
    async def resource(run):
        log.append(f"open {name}")
        if opening:
            await opening(run)
        try:
            yield {name: asyncio.current_task()}
        finally:
            log.append(f"close {name}")
            if closing:
                await closing(run)

    resource.__name__ = name
    return resource


async def breaks(run):
    raise ValueError("broken\n  in two lines")


async def hangs(run):
    await asyncio.Event().wait()
