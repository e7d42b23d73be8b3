"""Startup and shutdown for any ASGI application, and for a process without a server: the public names."""

from lifespan.alone import run
from lifespan.middleware import Lifespan
from lifespan.run import NotStarted, Resource, Run, current, stop_runs

__all__ = ["Lifespan", "NotStarted", "Resource", "Run", "current", "run", "stop_runs"]
