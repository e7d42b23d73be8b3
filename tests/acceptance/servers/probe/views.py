"""What the probe serves: quick, slow, a stream that drains, one that never ends, and a breakdown."""

import asyncio
import os

from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.acceptance.servers.probe import hooks

SLOW_S = 2.0
STREAM_EVERY_S = 0.1


async def quick(request):
    """Answer at once."""
    return JsonResponse({"process": os.getpid()})


async def send(request):
    """Send an event; 503 when Kafka does not take it."""
    try:
        await hooks.send("quick")
    except Exception as error:
        return JsonResponse({"error": repr(error)}, status=503)
    return JsonResponse({"process": os.getpid()})


async def slow(request):
    """Take 2 s, then publish and send, also when it is cancelled: nothing of that may be lost."""
    hooks.say("slow began")
    try:
        await asyncio.sleep(SLOW_S)
    except asyncio.CancelledError:
        await _told("cut")
        raise
    await _told("slow")
    return JsonResponse({"process": os.getpid()})


async def _told(name):
    hooks.say("sending", name)
    if hooks.publish:
        hooks.say("sending", f"{name} published")
        await hooks.publish(f"{name} published")
    await hooks.send(name)
    hooks.say("sent", name)


async def stream(request):
    """An event stream that ends when the process drains, and sends an event then."""

    async def lines():
        yield "data: hello\n\n"
        hooks.say("stream began")
        await hooks.draining.wait()
        await hooks.send("stream")
        yield "data: bye\n\n"

    return StreamingHttpResponse(lines(), content_type="text/event-stream")


async def endless(request):
    """An event stream of somebody who has not heard of stops."""

    async def lines():
        yield "data: hello\n\n"
        hooks.say("stream began")
        while True:
            await asyncio.sleep(STREAM_EVERY_S)
            yield ": still here\n\n"

    return StreamingHttpResponse(lines(), content_type="text/event-stream")


async def breakdown(request):
    """Let a background task of this process die."""
    hooks.break_down()
    return JsonResponse({"process": os.getpid()})


urlpatterns = [
    path("quick/", quick),
    path("send/", send),
    path("slow/", slow),
    path("stream/", stream),
    path("endless/", endless),
    path("breakdown/", breakdown),
]
