"""Every kind of bad input over HTTP gets a 4xx that says what to change, and leaves nothing behind."""

import http.client
from contextlib import closing

import pytest

GOOD = {"title": "Know thyself."}
CASES = {
    "not JSON": ("POST", "/quotes/", b"{", "alice", {}, 400),
    "not UTF-8": ("POST", "/quotes/", b'{"title": "\xff"}', "alice", {}, 400),
    "no body": ("POST", "/quotes/", b"", "alice", {}, 400),
    "a list": ("POST", "/quotes/", [1], "alice", {}, 422),
    "a wrong type": ("POST", "/quotes/", {"title": 5}, "alice", {}, 422),
    "no title": ("POST", "/quotes/", {}, "alice", {}, 422),
    "an unknown field": ("POST", "/quotes/", GOOD | {"likes": 5}, "alice", {}, 422),
    "empty": ("POST", "/quotes/", {"title": " \n "}, "alice", {}, 422),
    "too long": ("POST", "/quotes/", {"title": "x" * 2001}, "alice", {}, 422),
    "too large a body": ("POST", "/quotes/", {"title": "x" * 1_000_000}, "alice", {}, 413),
    "another content type": ("POST", "/quotes/", b"title=x", "alice", {"Content-Type": "text/plain"}, 415),
    "no login": ("POST", "/quotes/", GOOD, None, {}, 401),
    "a wrong password": ("POST", "/quotes/", GOOD, None, {"Authorization": "Basic YWxpY2U6d3Jvbmc="}, 401),
    "a broken authorization": ("POST", "/quotes/", GOOD, None, {"Authorization": "Basic ???"}, 401),
    "an unknown id": ("PUT", "/quotes/999999/", GOOD, "alice", {}, 404),
    "an id too large": ("GET", "/quotes/99999999999999999999/", None, None, {}, 404),
    "an id that is none": ("GET", "/quotes/x/", None, None, {}, 404),
    "an unknown id to like": ("POST", "/likes/quotes/999999/like/", None, "bob", {}, 404),
    "a copy to change": ("PUT", "/likes/quotes/1/", GOOD, "alice", {}, 405),
    "a wrong method": ("PATCH", "/quotes/", GOOD, "alice", {}, 405),
    "users without login": ("GET", "/users/", None, None, {}, 401),
    "users without being staff": ("GET", "/users/", None, "bob", {}, 403),
    "likes of users without being staff": ("GET", "/likes/quoteusers/", None, "bob", {}, 403),
    "a page that is none": ("GET", "/quotes/?page=x", None, None, {}, 400),
}


def test_bad_input_is_refused_with_what_to_change_and_leaves_nothing(together):
    project = together.quotes.start()

    answers = {name: project.ask(m, p, b, user=u, headers=h) for name, (m, p, b, u, h, _) in CASES.items()}

    assert {name: answer.status for name, answer in answers.items()} == {name: case[-1] for name, case in CASES.items()}
    assert all(answer.body["error"] and answer.body["change"] for answer in answers.values())
    assert project.count("quotes.Quote") == 0
    assert project.count("kafka_events.OutboxRecord") == 0
    assert "Traceback" not in project.log

    assert together.create("Know thyself.").status == 201
    assert together.create("  Know   thyself. ").status == 409
    staff = project.ask("GET", "/users/", user="alice")
    assert staff.status == 200
    assert "password" not in str(staff.body)


@pytest.mark.parametrize("length", [None, "2000000"], ids=["chunked", "announced"])
def test_a_body_without_end_is_cut_off(together, length):
    together.quotes.start()

    with closing(http.client.HTTPConnection("127.0.0.1", together.quotes.port, timeout=30)) as connection:
        status = send_without_end(connection, together.quotes.authorization("alice"), length)

    assert status == 413


def send_without_end(connection, authorization, length):
    """Send 2 MB in pieces, as one announced length or as chunks. Returns the status."""
    connection.putrequest("POST", "/quotes/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Authorization", authorization)
    connection.putheader(*(("Content-Length", length) if length else ("Transfer-Encoding", "chunked")))
    connection.endheaders()
    piece = b"x" * 100_000
    for _ in range(20):
        connection.send(piece if length else b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.send(b"" if length else b"0\r\n\r\n")
    return connection.getresponse().status
