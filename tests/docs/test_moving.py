"""docs/moving.md is true: its code, put where its first lines say, moves a project from the old ways to ours."""

import json
import shutil
import signal
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.docs.moving_shop import WAIT_S, Shop, snippets

SERVES = "Uvicorn running on"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a project with its tables, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    Shop(folder).make()
    return folder


@pytest.fixture
def shop(tmp_path, made, kafka_server, search):
    """A project on a real Kafka, with its topic."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    shop = Shop(tmp_path, KAFKA=kafka_server.address, SEARCH=search[0])
    shop.take("shop/contracts.py", "before/producer.py")
    shop.python("-m", "django", "events_topics", "--apply")
    return shop


def test_the_paper_shows_these_files():
    olds = ["consumer", "producer", "signals", "starlette_asgi", "stream", "stream_changes", "typed_producer"]
    news = ["asgi", "async_changes", "bulk_changes", "changes", "contracts", "notify", "rehearsal", "subscribers"]

    assert sorted(snippets()) == [f"before/{name}.py" for name in olds] + [f"shop/{name}.py" for name in news]


@pytest.mark.acceptance
def test_ours_goes_on_where_the_hand_written_consumer_stopped(shop):
    shop.take("before/consumer.py", "shop/subscribers.py", "shop/changes.py")
    shop.add("one", "two", "three")
    old = shop.start("-m", "before.consumer")
    shop.knows(3)

    refused = shop.start("-m", "django", "events_consume", "--group", f"likes-{shop.run_id}")
    refused_with = refused.wait(WAIT_S)
    old.send_signal(signal.SIGINT)
    old.wait(WAIT_S)
    shop.add("four")
    shop.add("five", by="shop.changes")
    shop.python("-m", "django", "events_relay", "--once")
    shop.consume(2, "likes")

    assert refused_with == 1
    assert "nconsistent" in (shop.folder / "log").read_text()
    assert shop.titles() == ["one", "two", "three", "four", "five"]
    assert shop.dead_letters() == []

    old = shop.start("-m", "before.consumer")  # and back: it reads ours too, from where we committed
    shop.add("six", by="shop.changes")
    shop.python("-m", "django", "events_relay", "--once")
    shop.knows(6)
    old.send_signal(signal.SIGINT)
    old.wait(WAIT_S)


@pytest.mark.acceptance
def test_a_rehearsal_reads_all_and_disturbs_nobody(shop):
    shop.take("shop/rehearsal.py").write("shop/subscribers.py", "import shop.rehearsal\n")
    shop.add("one", "two")
    shop.do("from shop.models import KnownQuote\nKnownQuote.objects.create(pk=1, title='one')")

    said = shop.consume(2, "rehearsal")

    assert [line for line in said.splitlines() if "missed" in line] == ["The old consumer has missed quote 2."]


@pytest.mark.acceptance
def test_in_a_topic_of_two_kinds_the_old_producers_name_the_kind(shop):
    shop.take("shop/subscribers.py", "before/typed_producer.py")
    two = snippets()["shop/contracts.py"] + "\n\nclass QuoteDeleted(Event, topic='%s', key='id'):\n    id: int\n"
    shop.write("shop/contracts.py", two % shop.topic)
    shop.add("one")
    shop.do("from before.typed_producer import tell\ntell('QuoteCreated', {'id': 2, 'title': 'two'})")

    shop.consume(2, "likes")

    assert shop.titles() == ["two"]
    assert shop.dead_letters() == ["untyped"]


ALL_KINDS = """
from msgspec import field
from events import Event

class QuoteTold(Event, topic="quotes", key="quote_id"):
    quote_id: int = field(name="id")
    title: str | None = None
    deleted: bool | None = None
"""
BY_KIND = """
from events import subscriber
from shop.contracts import QuoteTold
from shop.models import KnownQuote

@subscriber(QuoteTold, group="likes")
def hear(event: QuoteTold) -> None:
    if event.deleted:
        KnownQuote.objects.filter(pk=event.quote_id).delete()
    else:
        KnownQuote.objects.create(pk=event.quote_id, title=event.title)
"""


@pytest.mark.acceptance
def test_where_the_old_producers_stay_as_they_are_one_class_takes_all_kinds(shop):
    shop.write("shop/contracts.py", ALL_KINDS)
    shop.write("shop/subscribers.py", BY_KIND)
    untyped = snippets()["before/typed_producer.py"].replace(', headers=[("ce_type", kind)]', "")
    shop.write("before/untyped_producer.py", untyped)
    told = [{"id": 1, "title": "one"}, {"id": 2, "title": "two"}, {"id": 1, "deleted": True}]
    shop.do(f"from before.untyped_producer import tell\nfor body in {told}: tell('', body)")

    shop.consume(3, "likes")

    assert shop.titles() == ["two"]
    assert shop.dead_letters() == []


@pytest.mark.acceptance
def test_ours_goes_on_where_faststream_stopped_with_starlette_and_without(shop):
    shop.take("before/stream.py", "before/starlette_asgi.py", "shop/asgi.py")
    shop.add("one")
    serve(shop, "before.starlette_asgi", until=1)
    shop.add("two")
    serve(shop, "shop.asgi", until=2)
    shop.take("shop/subscribers.py").add("three")

    shop.consume(1, "likes")

    assert shop.titles() == ["one", "two", "three"]
    assert shop.dead_letters() == []


BY_FASTSTREAM = """
import asyncio
from before.stream import broker
from before.stream_changes import add_quote
async def main():
    async with broker:
        await add_quote({!r})
asyncio.run(main())
"""
BY_OURS = "import asyncio\nfrom shop.async_changes import add_quote\nasyncio.run(add_quote({!r}))"


@pytest.mark.acceptance
def test_ours_handles_what_faststream_publishes_and_faststream_what_is_published_here(shop):
    shop.take("before/stream.py", "before/stream_changes.py", "shop/async_changes.py", "shop/asgi.py")
    shop.do(BY_FASTSTREAM.format("one"))
    shop.do(BY_OURS.format("two"))
    serve(shop, "shop.asgi", until=2)
    shop.take("shop/subscribers.py").do(BY_FASTSTREAM.format("three"))
    shop.do(BY_OURS.format("four"))
    shop.python("-m", "django", "events_relay", "--once")

    shop.consume(2, "likes")

    headers = shop.headers(4)
    assert shop.titles() == ["one", "two", "three", "four"]
    assert shop.dead_letters() == []
    assert [("correlation_id" in names, "ce_type" in names) for names in (headers["three"], headers["four"])] == [
        (True, False),
        (False, True),
    ]


THE_REST = """
@broker.subscriber("quotes", group_id="rest-{}", auto_offset_reset="earliest")
async def remember_the_rest(body: dict) -> None:
    await KnownQuote.objects.acreate(pk=body["id"] + 100, title="the rest: " + body["title"])
"""


@pytest.mark.acceptance
def test_faststream_goes_on_with_the_rest_when_a_subscriber_has_moved(shop):
    stream = snippets()["before/stream.py"].split("@broker.subscriber")[0]
    shop.write("before/stream.py", stream + THE_REST.format(shop.run_id))
    shop.take("shop/asgi.py", "shop/subscribers.py").add("one")

    server = shop.start("-m", "uvicorn", "shop.asgi:application", "--port", "0")
    shop.consume(1, "likes")
    shop.says(SERVES)
    shop.knows(2)
    server.terminate()

    assert server.wait(WAIT_S) in (0, -15), (shop.folder / "log").read_text()
    assert shop.titles() == ["one", "the rest: one"]


def serve(shop, module, *, until):
    """Serve an application until the other side knows so many, and it serves: before that uvicorn would end at once."""
    earlier = (shop.folder / "log").read_text().count(SERVES) if (shop.folder / "log").exists() else 0
    server = shop.start("-m", "uvicorn", f"{module}:application", "--port", "0")
    shop.says(SERVES, times=earlier + 1)
    shop.knows(until)
    server.terminate()
    assert server.wait(WAIT_S) in (0, -15), (shop.folder / "log").read_text()


@pytest.fixture
def search():
    """The other side of an HTTP call: its address, and the ids and keys it was told."""
    told = []

    class Search(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append((body["title"], self.headers["Idempotency-Key"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Search) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


def tell_search(shop, records):
    """Let the subscriber that tells the other side handle so many records."""
    shop.python("-m", "django", "events_relay", "--once")
    shop.take("shop/notify.py").write("shop/subscribers.py", "import shop.notify\n")
    group = f"shop-{shop.run_id}.tell_search"
    shop.python("-m", "django", "events_consume", "--group", group, "--max-messages", str(records))


@pytest.mark.acceptance
def test_while_the_signal_stays_events_gather_and_a_subscriber_tells_them_once_more(shop, search):
    told = search[1]
    shop.take("shop/changes.py", "before/signals.py")
    shop.do("import before.signals\nfrom shop.changes import add_quote\nadd_quote('step one')")
    by_signal = told.copy()

    shop.add("step two", by="shop.changes")
    tell_search(shop, 2)

    assert by_signal == [("step one", "quote-1")]
    assert sorted(title for title, _ in told[1:]) == ["step one", "step two"]


@pytest.mark.acceptance
def test_bulk_writes_are_told_by_events_and_not_by_a_signal(shop, search):
    told = search[1]
    shop.take("shop/bulk_changes.py", "before/signals.py")
    shop.do(
        "import before.signals\nfrom django.db import transaction\nfrom shop.bulk_changes import add_quotes\n"
        "with transaction.atomic():\n    add_quotes(['rolled back'])\n    transaction.set_rollback(True)\n"
        "add_quotes(['one', 'two'])"
    )
    by_signal = told.copy()

    tell_search(shop, 2)

    assert by_signal == []
    assert sorted(title for title, _ in told) == ["one", "two"]


@pytest.mark.acceptance
def test_a_signal_tells_what_is_rolled_back_and_an_event_does_not(shop, search):
    told = search[1]
    shop.take("shop/changes.py", "before/signals.py")
    rolled_back = (
        "from django.db import transaction\nfrom shop.changes import add_quote\n"
        "with transaction.atomic():\n    add_quote('rolled back')\n    transaction.set_rollback(True)\n"
    )
    shop.do(f"import before.signals\n{rolled_back}")
    by_signal = told.copy()

    shop.do(rolled_back + "add_quote('committed')")
    tell_search(shop, 1)

    assert [title for title, _ in by_signal] == ["rolled back"]
    assert [title for title, _ in told[1:]] == ["committed"]
    assert uuid.UUID(told[1][1]).version == 7
