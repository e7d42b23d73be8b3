"""What the tests of request threads share: scopes and channels."""

import threading

from asgiref.sync import sync_to_async

HTTP = {"type": "http", "method": "GET", "path": "/", "headers": []}
WEBSOCKET = {"type": "websocket", "path": "/socket", "headers": []}


def thread():
    return threading.current_thread().name


def on_a_thread(function, *args):
    return sync_to_async(function)(*args)


async def receive():
    return {"type": "http.request", "body": b""}


class Sent(list):
    async def __call__(self, message):
        self.append(message)


def ask(app, scope=HTTP, **more):
    return app({**scope, **more}, receive, Sent())
