"""The echo: what comes back, and what is answered to what cannot."""

import pytest

from examples.with_channels.echo import LIMIT, answer_to
from tests.examples.with_channels.conftest import browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("text", ['{"message": "Hello"}', "[1, 2.5, null]", '"Grüße"', '{"a":\n1}'])
async def test_json_comes_back_as_it_was(text):
    async with browser("/ws/echo/") as socket:
        assert await socket.open() == (True, None)

        await socket.send_to(text)

        assert await socket.receive_from(10) == text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ('{"message": "Hel', "not JSON"),
        ("[" * 4000, "not JSON"),
        ("NaN", "not JSON"),
        ('"\ud800"', "not JSON"),
        ('"' + "x" * LIMIT + '"', "4,098 bytes"),
        ('"' + "ü" * (LIMIT // 2) + '"', "4,098 bytes"),
        (None, "Bytes came"),
    ],
)
def test_what_cannot_come_back_is_answered_with_what_to_change(text, error):
    assert error in answer_to(text)
    assert '"change":' in answer_to(text)


def test_a_text_of_the_largest_size_comes_back():
    text = '"' + "x" * (LIMIT - 2) + '"'

    assert answer_to(text) == text


async def test_a_socket_stays_open_after_what_cannot_come_back():
    async with browser("/ws/echo/") as socket:
        await socket.open()

        await socket.send_to(bytes_data=b"\xff")
        assert (await socket.said())["error"] == "Bytes came."
        await socket.send_to("{")
        assert "not JSON" in (await socket.said())["error"]

        await socket.send_to("1")
        assert await socket.said() == 1
