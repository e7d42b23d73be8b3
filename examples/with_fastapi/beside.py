"""`Beside`: two ASGI applications in one, told apart by the path.

    http       /api and below -> the other    else -> Django
    websocket  /api and below -> the other    else -> refused: Django's handler speaks HTTP only
    lifespan                  -> the other    Django has none

The mount point goes into `root_path`, and `path` stays whole: so ASGI has it since its version 3.0 (HTTP and websocket
scope), so FastAPI finds its routes, and so the addresses in its pages are right.
"""

from lifespan.asgi import ASGIApp, Receive, Scope, Send


class Beside:
    """`app` everywhere but at and below the path `at`, which `other` answers: `Beside(django, api, at="/api")`."""

    def __init__(self, app: ASGIApp, other: ASGIApp, *, at: str) -> None:
        self.app, self.other, self.at = app, other, at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.other(scope, receive, send)
        elif (mounted := self._mounted(scope)) is not None:
            await self.other(mounted, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await self.app(scope, receive, send)

    def _mounted(self, scope: Scope) -> Scope | None:
        """The scope as `other` sees it, or None where it is not asked."""
        root = scope.get("root_path", "").rstrip("/")
        path = scope["path"].removeprefix(root)  # a server behind a proxy's prefix gives it with or without that
        if path != self.at and not path.startswith(f"{self.at}/"):
            return None
        return {**scope, "root_path": root + self.at, "path": root + path}
