"""Kafka goes away while people write: no request fails, every effect arrives, once."""

import os
import time

LONG = os.environ.get("ACCEPTANCE") == "long"
OUTAGE_S = 30 if LONG else 10


def test_posts_go_on_while_kafka_is_stopped(apart, kafka_server):
    for project in apart.projects:
        project.start()
    first = apart.create("Before the outage.").body["id"]
    apart.wait_for_copy(first)

    kafka_server.stop()
    try:
        answers = post_for(OUTAGE_S, apart)
    finally:
        kafka_server.start()
    answers += post_for(2, apart)

    assert {answer.status for answer in answers} == {201}
    assert apart.settled() == len(answers) + 1
    assert apart.entries() == len(answers) + 1
    assert apart.like(first, "bob").status == 201
    apart.wait_for_likes(first, 1)
    assert apart.likes.count("kafka_events.HeldRecord") == 0


def post_for(seconds, services):
    """Create quotes for so long, ten a second, and return the answers. The pause is the load, not a wait."""
    answers, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        answers.append(services.create(f"Quote of the moment {time.monotonic_ns()}."))
        time.sleep(0.1)
    return answers


def test_a_web_process_starts_and_serves_while_kafka_is_away(apart, kafka_server):
    kafka_server.stop()
    try:
        for project in apart.projects:
            project.start()
        created = apart.create("Written while nobody listened.")
        assert created.status == 201
    finally:
        kafka_server.start()

    apart.wait_for_copy(created.body["id"])
