"""What the probe serves: quick, slow, a stream that drains, one that never ends; what sends, and what publishes."""

import asyncio
import os
from pathlib import Path

from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.acceptance.servers.probe import hooks
from tests.waiting import until

SIGNALLED = Path(os.environ.get("PROBE_SIGNALLED", "signalled"))
SIGNALLED_S = 60
SLOW_S = 2.0
STREAM_EVERY_S = 0.1


async def quick(request):
    """Answer at once."""
    return JsonResponse({"process": os.getpid()})


async def send(request):
    """Send an event; 503 when Kafka does not take it."""
    try:
        await hooks.send("sent")
    except Exception as error:
        return JsonResponse({"error": repr(error)}, status=503)
    return JsonResponse({"process": os.getpid()})


async def publish(request):
    """Publish an event; 501 where there is nothing to publish into."""
    if hooks.publish is None:
        return JsonResponse({"error": "no outbox"}, status=501)
    await hooks.publish("published")
    return JsonResponse({"process": os.getpid()})


async def slow(request):
    """Take 2 s from the signal on, then publish and send, also when it is cancelled: nothing of that may be lost.

    With `?dies` a background task of this process dies instead.
    """
    hooks.say("slow began")
    try:
        if "dies" in request.GET:
            hooks.break_down()
        else:  # however slow the test is, the request is in flight when it signals
            await until(SIGNALLED.exists, SIGNALLED_S)
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


urlpatterns = [
    path("quick/", quick),
    path("send/", send),
    path("publish/", publish),
    path("slow/", slow),
    path("stream/", stream),
    path("endless/", endless),
]
