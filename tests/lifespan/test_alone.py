"""`lifespan.run()`: a process without a server, in this process and in real ones."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import lifespan

SCRIPT = """
import asyncio, logging, sys, threading
from contextlib import asynccontextmanager
import lifespan

watched = threading.Event()
logging.basicConfig(format="%(levelname)s %(message)s")

@asynccontextmanager
async def consuming(run):
    if "broken" in sys.argv:
        raise OSError("no broker")
    if "stuck" in sys.argv:
        print("up", flush=True)
        await asyncio.Event().wait()
    watch = asyncio.create_task(watching(run))
    yield
    if "slow" in sys.argv:
        print("closing", flush=True)
        await asyncio.Event().wait()
    await watch
    if "runs" in sys.argv:
        await asyncio.to_thread(print, "by an executor", flush=True)
    print("flushed", flush=True)

async def watching(run):
    print("up", flush=True)
    watched.set()
    if "stop" in sys.argv:
        run.stop()
    if "fail" in sys.argv:
        run.fail(RuntimeError("lost the broker"))
    await run.draining.wait()
    print("drained", flush=True)

if "slow" in sys.argv:
    sys.modules["lifespan.signals"].ONE_WISH = 1e-6
if "thread" in sys.argv:
    threading.Thread(target=lifespan.run, args=(consuming,), daemon=True).start()
    watched.wait()
    if "runs" in sys.argv:
        lifespan.stop_runs()
    sys.exit(3)
sys.exit(lifespan.run(consuming))
"""


@pytest.fixture
def script(tmp_path):
    """Start the script with these words; what is still alive at the end of the test is killed."""
    started = []
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)

    def start(*words):
        environment = {**os.environ, "PYTHONPATH": str(Path(lifespan.__file__).parent.parent)}
        process = subprocess.Popen(
            [sys.executable, str(path), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_signal_drains_and_the_exit_code_is_0(script, signum):
    process = script()
    assert process.stdout.readline() == "up\n"

    process.send_signal(signum)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (0, "drained\nflushed\n", "")


def test_a_run_that_reached_its_goal_ends_with_0(script):
    out, err = script("stop").communicate(timeout=60)

    assert (out, err) == ("up\ndrained\nflushed\n", "")


def test_a_failed_run_drains_and_ends_with_1(script):
    process = script("fail")
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (1, "up\ndrained\nflushed\n")
    assert err.startswith("CRITICAL failed, the process stops: RuntimeError: lost the broker\n")


def test_a_failed_start_ends_with_1_one_line_and_the_traceback(script):
    process = script("broken")
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (1, "")
    assert err.startswith("ERROR consuming: OSError: no broker\nTraceback")


def test_a_stop_signal_during_the_start_ends_it_with_0(script):
    process = script("stuck")
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (0, "", "")


def test_a_second_ctrl_c_hurries(script):
    process = script("slow")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert {process.stdout.readline(), process.stdout.readline()} == {"drained\n", "closing\n"}

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 1


def test_in_a_thread_the_end_of_the_interpreter_stops_it(script):
    process = script("thread")
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (3, "up\ndrained\nflushed\n", "")


def test_a_run_in_a_thread_is_stopped_while_executors_still_take_work(script):
    out, err = script("thread", "runs").communicate(timeout=60)

    assert (out, err) == ("up\ndrained\nby an executor\nflushed\n", "")


def ending(how):
    @asynccontextmanager
    async def resource(run):
        task = asyncio.create_task(how(run))
        yield
        await task

    return resource


async def stops(run):
    run.stop()


async def fails(run):
    run.fail(RuntimeError("lost the broker"))


@pytest.mark.parametrize(("how", "code"), [(stops, 0), (fails, 1)])
def test_in_this_process_too(how, code):
    before = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]

    assert lifespan.run(ending(how)) == code

    assert [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)] == before


def test_two_signals_in_this_process(monkeypatch):
    monkeypatch.setattr("lifespan.signals.ONE_WISH", 0.0)

    @asynccontextmanager
    async def slow(run):
        yield
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    @asynccontextmanager
    async def stops(run):
        yield run.stop()

    assert lifespan.run(slow, stops) == 1


def test_stop_runs_closes_what_a_thread_holds_open():
    codes, up = [], threading.Event()

    @asynccontextmanager
    async def resource(run):
        up.set()
        yield
        codes.append("closed")

    thread = threading.Thread(target=lambda: codes.append(lifespan.run(resource)))
    thread.start()
    up.wait()
    lifespan.stop_runs()

    assert codes[:1] == ["closed"]
    thread.join()
    assert codes == ["closed", 0]


def test_stop_runs_does_not_wait_for_a_loop_that_stands_still():
    async def started():
        run = lifespan.Run()
        await run.start()
        return run

    with asyncio.Runner() as runner:
        run = runner.run(started())
        lifespan.stop_runs()
        assert run.stage == "up"
        runner.run(run.finish())


def test_in_a_script_that_sets_django_up_as_the_guide_shows(tmp_path):
    root = Path(lifespan.__file__).parent.parent
    [shown] = re.findall(
        r"## A process without a server.*?```python\n(.*?)```", (root / "docs/guide.md").read_text(), re.S
    )
    (tmp_path / "script.py").write_text(shown)
    (tmp_path / "settings.py").write_text(
        f"""
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {str(tmp_path / "db")!r}}}}}
"""
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{root}", "DJANGO_SETTINGS_MODULE": "settings"}

    def python(*words):
        return subprocess.run([sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert python("script.py").returncode == 1  # there is no table yet
    assert python("-m", "django", "migrate").returncode == 0
    done = python("script.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 users\n", "")


@pytest.fixture
def ending_with():
    """A resource that ends its run, and then the closing of the loop breaks with this text."""

    def make(text):
        async def join_the_executor(timeout=None):
            raise RuntimeError(text)

        @asynccontextmanager
        async def resource(run):
            run.loop.shutdown_default_executor = join_the_executor
            run.stop()
            yield

        return resource

    return make


def test_at_the_end_of_the_interpreter_nobody_hears_that_it_makes_no_thread_any_more(ending_with):
    assert lifespan.run(ending_with("can't create new thread at interpreter shutdown")) == 1


def test_what_else_breaks_at_the_end_of_the_loop_is_raised(ending_with):
    with pytest.raises(RuntimeError, match="can't start new thread"):
        lifespan.run(ending_with("can't start new thread"))
