"""What lies on a real broker, as a client reads it that is not ours: kcat."""

import json
import shutil
import subprocess
from datetime import datetime
from uuid import UUID

import pytest

KCAT = shutil.which("kcat") or shutil.which("kafkacat")


@pytest.mark.skipif(KCAT is None, reason="kcat is not installed (Debian: kcat)")
def test_a_foreign_client_reads_the_record_with_its_cloudevents_headers_and_key(apart):
    apart.quotes.start()
    quote_id = apart.create("Know thyself — Thales").body["id"]
    environment = apart.quotes.environment

    read = [KCAT, "-C", "-b", environment["EVENTS_BOOTSTRAP_SERVERS"], "-t", f"{environment['EVENTS_PREFIX']}quotes"]
    read += ["-o", "beginning", "-c", "1", "-f", "%h\n%k\n%s\n"]
    said = subprocess.run(read, capture_output=True, text=True, timeout=60)

    headers, key, value = said.stdout.splitlines()
    headers = dict(pair.split("=", 1) for pair in headers.split(","))
    assert key == str(quote_id)
    assert json.loads(value) == {"quote_id": quote_id, "title": "Know thyself — Thales"}
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "QuoteCreated"
    assert headers["ce_source"] == "quotes"
    assert headers["content-type"] == "application/json"
    assert UUID(headers["ce_id"]).version == 7
    assert datetime.fromisoformat(headers["ce_time"]).tzinfo is not None
