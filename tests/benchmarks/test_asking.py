"""Our load generator knows where an answer ends."""

import pytest

from benchmarks.asking import is_whole


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
def test_only_the_last_byte_ends_an_answer(answer):
    assert is_whole(answer)
    assert not any(is_whole(answer[:length]) for length in range(len(answer)))
