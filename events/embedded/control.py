"""What a user process and the broker say to each other: lines of JSON over a Unix socket.

    user   ──▶ Declare                     I use you; these are my topics and groups. May be said again.
    broker ──▶ Welcome                     the address, and the groups of all users; again when they change
    broker ──▶ Notice                      something a person should read
    anyone ──▶ AskStatus ──▶ Status
    anyone ──▶ Stop      ──▶ Stopping or Refused

Being a user is holding the connection on which `Declare` was said: the kernel closes it however the process ends.
"""

from typing import Annotated

import msgspec

LINE_BYTES = 1024 * 1024
"""The longest line, in bytes."""

type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=249)]
type Partitions = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
type Groups = dict[Name, list[Name]]
"""Groups by name, with the topics that they read."""


class Declare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """I use the broker. `groups`: all I know of; `consumes`: those of them that I am a member of."""

    pid: int
    topics: dict[Name, Partitions] = {}
    groups: Groups = {}
    consumes: list[Name] = []


class AskStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """How are you? Does not make the asker a user."""


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """End, if nobody uses you."""


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """You are a user now. `address`: "host:port" for Kafka clients."""

    address: str
    groups: Groups


class Notice(msgspec.Struct, frozen=True, tag=True):
    """One line for a person."""

    text: str


class Status(msgspec.Struct, frozen=True, tag=True):
    """How the broker is. `users`: the processes that hold it; `topics`: partitions by name."""

    pid: int
    address: str
    uptime_s: float
    users: list[int]
    topics: dict[str, int]
    groups: Groups

    def as_lines(self) -> list[tuple[str, str]]:
        """The same for a person: names and values."""
        return [
            ("address", self.address),
            ("process", str(self.pid)),
            ("up", f"{self.uptime_s:.0f} s"),
            ("used by", ", ".join(f"process {pid}" for pid in self.users) or "nobody"),
            ("topics", ", ".join(f"{name} ({count} partitions)" for name, count in self.topics.items()) or "none"),
            ("groups", ", ".join(self.groups) or "none"),
        ]


class Stopping(msgspec.Struct, frozen=True, tag=True):
    """I end now."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """I will not, or do not understand."""

    why: str


type Request = Declare | AskStatus | Stop
type Answer = Welcome | Notice | Status | Stopping | Refused

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Declare | AskStatus | Stop)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Welcome | Notice | Status | Stopping | Refused)


def line(said: Request | Answer) -> bytes:
    """One request or answer as a line."""
    return _encoder.encode(said) + b"\n"


def request(text: bytes) -> Request:
    """Read a request. Raises `msgspec.MsgspecError` with what is wrong."""
    return _requests.decode(text)


def answer(text: bytes) -> Answer:
    """Read an answer. Raises `msgspec.MsgspecError` with what is wrong."""
    return _answers.decode(text)
