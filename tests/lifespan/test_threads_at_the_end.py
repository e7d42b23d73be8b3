"""When threads end: with the lifespan inside, at `close`, or with Python."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from lifespan import Lifespan
from lifespan.testing import running
from lifespan.threads import ENDING_S, RequestThreads
from tests.lifespan.lent import ask, on_a_thread, receive, thread
from tests.waiting import until

PATIENT_S = 60.0


@pytest.fixture
def _patient(monkeypatch):
    """An idle thread ends at once, unless the machine stands still just then."""
    monkeypatch.setattr("lifespan.threads.ENDING_S", PATIENT_S)


@pytest.mark.usefixtures("_patient")
async def test_threads_end_with_the_lifespan_of_the_application_inside(lent):
    left, during = [], []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            during.append(await receive())
            await ask(application)
            during.append(left.copy())

    application = lent(app_with_a_thread(app), on_thread_exit=lambda: left.append(thread()))
    await ask(application, {"type": "lifespan"})

    assert during == [await receive(), []]
    assert left == ["request-1"]


@pytest.mark.usefixtures("_patient")
async def test_where_the_application_inside_has_no_lifespan_the_threads_have_one(lent):
    left = []

    async def django(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")
        await on_a_thread(thread)

    application = Lifespan(lent(django, on_thread_exit=lambda: left.append(thread())))
    async with running(application):
        await ask(application)
        during = left.copy()

    assert (during, left) == ([], ["request-1"])


@pytest.mark.usefixtures("_patient")
async def test_the_end_is_answered_once_the_threads_have_ended(lent):
    left, at_answers = [], {}

    async def django(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")
        await on_a_thread(thread)

    async def answered(message):
        at_answers[message["type"]] = left.copy()
        await ask(application)

    application = lent(django, on_thread_exit=lambda: left.append(thread()))
    await application({"type": "lifespan"}, receive, answered)

    assert at_answers == {"lifespan.startup.complete": [], "lifespan.shutdown.complete": ["request-1"]}


async def test_a_lifespan_inside_that_breaks_is_not_replaced(lent):
    async def broken(scope, receive, send):
        await receive()
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await ask(lent(broken), {"type": "lifespan"})


def app_with_a_thread(app):
    async def wrapped(scope, *channels):
        if scope["type"] == "http":
            await on_a_thread(thread)
        await app(scope, *channels)

    return wrapped


async def test_a_thread_that_works_at_the_end_is_named_and_ends_later(caplog):
    began, opened = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        await on_a_thread(lambda: began.set() or opened.wait(10))

    app = RequestThreads(app)
    request = asyncio.ensure_future(ask(app, path="/slow"))
    await until(began.is_set)

    await app.close()
    opened.set()
    await request
    await until(lambda: not app._pool.threads)

    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert (
        record.getMessage()
        == "1 request threads still work and end later, or with the process: request-1 (GET '/slow')"
    )


AT_EXIT = """
import asyncio, threading
from asgiref.sync import sync_to_async
from lifespan import threads

async def app(scope, receive, send):
    await sync_to_async(int)()
    if scope["path"] == "/stuck":
        began = threading.Event()
        asyncio.ensure_future(sync_to_async(lambda: began.set() or threading.Event().wait())())
        await asyncio.to_thread(began.wait)

threads.ENDING_S = ENDING_S
app = threads.RequestThreads(app, on_thread_exit=lambda: print("left", threading.current_thread().name))
asyncio.run(app({"type": "http", "method": "GET", "path": "PATH"}, None, None))
"""


@pytest.mark.parametrize(("path", "ending", "said"), [("/", PATIENT_S, "left request-1\n"), ("/stuck", ENDING_S, "")])
def test_without_a_lifespan_threads_end_with_python_and_a_stuck_one_does_not_stop_it(path, ending, said):
    code = AT_EXIT.replace("PATH", path).replace("= ENDING_S", f"= {ending}")

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stdout) == (0, said)
    assert ("request-1 (GET '/stuck')" in ran.stderr) == (path == "/stuck")


@pytest.mark.usefixtures("_patient")
def test_what_is_called_at_the_exit_ends_the_threads_without_an_event_loop():
    left = []

    async def app(scope, receive, send):
        await on_a_thread(thread)

    app = RequestThreads(app, on_thread_exit=lambda: left.append(thread()))
    asyncio.run(ask(app))

    app._end_at_exit()

    assert (left, app._pool.threads) == (["request-1"], [])
