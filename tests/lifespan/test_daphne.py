"""Daphne's reactor, played: what is told when. In real processes: test_servers.py."""

import asyncio
import sys
import threading
from functools import partial
from types import ModuleType, SimpleNamespace

import pytest

from lifespan import Lifespan, current
from lifespan.driver import lifespan_of
from tests.lifespan.noted import breaks, hangs, noted
from tests.virtual_time import in_virtual_time
from tests.waiting import until


class HTTPFactory:
    """What daphne listens with."""

    def __init__(self, application):
        self.server = SimpleNamespace(application=application, connections={})


class Port:
    """A listening port, in as many wrappers as TLS and HAProxy ask for."""

    def __init__(self, factory, wrappers=0):
        self.factory, self.reads = factory, True
        for _ in range(wrappers):
            self.factory = SimpleNamespace(wrappedFactory=self.factory)

    def startReading(self):
        self.reads = True

    def stopReading(self):
        self.reads = False


class Reactor:
    """Twisted's, as far as it is asked."""

    def __init__(self):
        self.started, self.readers, self.triggers, self.stops = [], [SimpleNamespace()], [], 0

    def callWhenRunning(self, function, *args):
        self.started.append((function, args))

    def getReaders(self):
        return self.readers

    def addSystemEventTrigger(self, phase, event, function, *args):
        assert (phase, event) == ("before", "shutdown")
        self.triggers.append(partial(function, *args))

    def run(self):
        for function, args in self.started:
            function(*args)

    def stop(self):
        self.stops += 1
        return asyncio.gather(*[trigger() for trigger in self.triggers])


@pytest.fixture
def reactor(monkeypatch):
    """Daphne is loaded, and has this reactor."""
    daphne = ModuleType("daphne.server")
    daphne.reactor, daphne.HTTPFactory = Reactor(), HTTPFactory
    daphne.defer = SimpleNamespace(Deferred=SimpleNamespace(fromFuture=lambda future: future))
    monkeypatch.setitem(sys.modules, "daphne.server", daphne)
    return daphne.reactor


async def nothing(scope, receive, send):
    """An application without a lifespan."""


async def test_the_ports_wait_until_the_application_has_started(reactor):
    go = asyncio.Event()
    application = Lifespan(nothing, noted("a", log := [], opening=lambda run: go.wait()))
    reactor.readers += [Port(HTTPFactory(application)), Port(HTTPFactory(application), wrappers=2)]

    reactor.run()
    await until(lambda: log)
    assert [port.reads for port in reactor.readers[1:]] == [False, False]
    go.set()
    await until(lambda: all(port.reads for port in reactor.readers[1:]))
    assert current().stage == "up"
    await reactor.stop()

    assert log == ["open a", "close a"]


async def test_of_several_applications_the_one_that_is_served_starts(reactor):
    served, other = [noted(name, []) for name in ("served", "other")]
    application = Lifespan(nothing, served)
    Lifespan(nothing, other)
    reactor.readers.append(Port(HTTPFactory(application)))

    reactor.run()
    await until(lambda: reactor.readers[-1].reads)
    assert len(reactor.started) == 1
    assert current().state.keys() == {"served"}
    await reactor.stop()


async def test_a_reactor_without_daphne_is_left_alone(reactor):
    Lifespan(nothing, noted("a", log := []))

    reactor.run()

    assert (log, reactor.triggers) == ([], [])


async def test_an_application_that_passes_no_lifespan_on_is_served_and_that_is_said(reactor, caplog):
    Lifespan(nothing, noted("a", log := []))
    reactor.readers.append(Port(HTTPFactory(nothing)))

    reactor.run()
    await until(lambda: reactor.readers[-1].reads)
    await reactor.stop()

    assert caplog.messages == ["the application that daphne serves has no lifespan; Lifespan must be the outermost"]
    assert log == []


async def test_what_a_cancelled_request_still_sends_is_sent_while_the_resources_are_open(reactor):
    log, go = [], asyncio.Event()

    async def request():
        await go.wait()
        log.append(f"sends while {current().stage}")

    port = Port(HTTPFactory(Lifespan(nothing, noted("a", log))), wrappers=1)
    reactor.readers.append(port)
    reactor.run()
    await until(lambda: port.reads)
    connections = port.factory.wrappedFactory.server.connections
    connections.update(idle={}, busy={"application_instance": asyncio.create_task(request())})

    stopped = reactor.stop()
    await until(lambda: not port.reads)
    go.set()
    await stopped

    assert log == ["open a", "sends while up", "close a"]


def test_a_request_that_does_not_end_holds_the_stop_up_for_so_long_only(reactor):
    port = Port(HTTPFactory(Lifespan(nothing, noted("a", log := []))))
    reactor.readers.append(port)

    async def serve():
        reactor.run()
        await until(lambda: port.reads)
        port.factory.server.connections["busy"] = {"application_instance": asyncio.create_task(hangs(None))}
        began = asyncio.get_running_loop().time()
        await reactor.stop()
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(serve()) == pytest.approx(5)
    assert log == ["open a", "close a"]


def test_a_failed_start_leaves_with_3_and_serves_nobody(reactor, caplog):
    port = Port(HTTPFactory(Lifespan(nothing, noted("a", [], opening=breaks))))
    reactor.readers.append(port)

    async def serve():
        reactor.run()
        await hangs(None)

    with pytest.raises(SystemExit) as left:
        asyncio.run(serve())

    assert left.value.code == 3
    assert not port.reads
    assert caplog.messages[-1] == "not started: a: ValueError: broken in two lines"


async def test_a_stop_while_it_starts_cancels_the_start(reactor):
    port = Port(HTTPFactory(Lifespan(nothing, noted("a", log := []), noted("b", log, opening=hangs))))
    reactor.readers.append(port)

    reactor.run()
    await until(lambda: "open b" in log)
    await reactor.stop()

    assert log == ["open a", "open b", "close a"]
    assert not port.reads


async def test_a_failed_stop_is_no_error_of_the_reactor(reactor, caplog):
    reactor.readers.append(Port(HTTPFactory(Lifespan(nothing, noted("a", [], closing=breaks)))))

    reactor.run()
    await until(lambda: reactor.readers[-1].reads)
    await reactor.stop()

    assert caplog.messages == ["a: ValueError: broken in two lines"]


def test_in_the_thread_of_an_autoreloader_a_failed_run_stops_the_reactor(reactor):
    reactor.readers.append(Port(HTTPFactory(Lifespan(nothing, noted("a", log := [])))))

    async def serve():
        reactor.run()
        await until(lambda: reactor.readers[-1].reads)
        current().fail(RuntimeError("lost the broker"))
        await until(lambda: log == ["open a", "close a"])

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    thread.join()

    assert (log, reactor.stops) == (["open a", "close a"], 1)


async def test_in_a_thread_an_application_without_a_run_is_served_too(reactor, monkeypatch):
    monkeypatch.setattr(threading, "main_thread", lambda: None)
    told = []

    async def application(scope, receive, send):
        async with lifespan_of(nothing):
            for answer in ("startup", "shutdown"):
                told.append((await receive())["type"])
                await send({"type": f"lifespan.{answer}.complete"})

    Lifespan(nothing)
    reactor.readers.append(Port(HTTPFactory(application)))

    reactor.run()
    await until(lambda: reactor.readers[-1].reads)
    await reactor.stop()

    assert told == ["lifespan.startup", "lifespan.shutdown"]


def test_nothing_of_twisted_is_loaded_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "daphne.server", raising=False)
    before = {name for name in sys.modules if name.startswith("twisted")}

    Lifespan(nothing)

    assert {name for name in sys.modules if name.startswith("twisted")} == before
