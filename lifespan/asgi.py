"""The shapes of ASGI: scope, message, receive, send, application.

They are as narrow as Django's handler asks for (a `dict` scope, a `send` that takes any mapping) and as wide as
Starlette's applications allow, so that a type checker takes both for an `ASGIApp`.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

type Scope = dict[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Mapping[str, Any]], Awaitable[None]]
type ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
