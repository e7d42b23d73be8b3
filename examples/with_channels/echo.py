"""`Echo`, the socket of the Channels tutorial: JSON in, the same JSON out. What is none is answered, too."""

import msgspec

from examples.with_channels.sockets import Socket

LIMIT = 4096
"""The most bytes of one text, in UTF-8."""


class Echo(Socket):
    """`ws/echo/`: open to everybody. An answer to what is no JSON says what to change: `{"error", "change"}`."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a text or bytes."""
        await self.send(text_data=answer_to(text_data))


def answer_to(text: str | None) -> str:
    """The text itself if it is JSON and not too long, else what is wrong with it. None stands for bytes."""
    if text is None:
        return _wrong("Bytes came.", "Send text.")
    if (size := len(text.encode(errors="replace"))) > LIMIT:
        return _wrong(f"The text has {size:,} bytes.", f"Send at most {LIMIT:,}.")
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _wrong(f"The text is not JSON: {error}.", 'Send JSON: {"message": "Hello"}.')
    return text


def _wrong(error: str, change: str) -> str:
    return msgspec.json.encode({"error": error, "change": change}).decode()
