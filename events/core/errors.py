"""Every exception of events, in one tree. The type tells the caller what to do, the text tells a person.

EventsError
├── InvalidDeclaration      an event class or a subscriber is declared wrongly
├── InvalidEvent            an event does not fit its own class: publish nothing
├── NotInTransaction        publish() outside a transaction
├── NotStarted              send() with no producer in this process
├── LeaseLost               another process relays, or may: stop sending
├── Undecodable             a record that is not ours, not JSON or does not fit its class
├── BrokerError
│   ├── BrokerUnavailable   nobody answers, or not in time: try again later
│   │   ├── BatchRefused    refused together with others: send it alone to know
│   │   └── ClientRefused   log-in, rights or settings refused: waiting does not cure it
│   ├── RecordRefused       the broker will never take this record
│   │   └── TopicRefused    nor any other of its topic, until somebody creates it or grants access
│   └── MembershipLost      this consumer is of no more use: build a new one
├── EmbeddedBrokerRefused   the development broker outside development
├── GaveUp                  a part was red for longer than EVENTS["GIVE_UP"]
└── raised by subscribers
    ├── Retry               handle this event again later
    └── Reject              never again: to the dead letters
"""

import math


class EventsError(Exception):
    """The root. Catch it to catch everything of events."""


class InvalidDeclaration(EventsError, TypeError):
    """An event class or a subscriber is declared wrongly. Raised while the module is imported."""


class InvalidEvent(EventsError, ValueError):
    """The event's fields do not fit its class, so no subscriber could decode it. Nothing was published."""


class NotInTransaction(EventsError, RuntimeError):
    """`publish` was called outside a transaction, where it could not keep its promise."""


class NotStarted(EventsError, RuntimeError):
    """`send` was called in a process that holds no producer open."""


class LeaseLost(EventsError):
    """The right to relay is another process's, or may be. Waiting cures it."""


class Undecodable(EventsError, ValueError):
    """A record cannot become an event.

    `reason` is one word for tables and logs: `untyped`, `mode`, `json` or `schema`.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class BrokerError(EventsError):
    """Something between us and the brokers went wrong."""


class BrokerUnavailable(BrokerError):
    """Nobody answers, or not within the time limit. Waiting cures it."""


class BatchRefused(BrokerUnavailable):
    """The broker refused the batch that this record was sent in. It may be innocent: sent alone, it will be known."""


class ClientRefused(BrokerUnavailable):
    """The brokers refuse this client: its log-in, its rights, or its group's protocol. Somebody must change something.

    A web process waits all the same, and serves; a process that only relays or consumes ends (`Supervisor`).
    """

    waiting_helps = False
    traceback_helps = False


class RecordRefused(BrokerError):
    """The broker will never take this record: it is too large, or breaks a rule of its topic."""


class TopicRefused(RecordRefused):
    """The topic does not exist, or may not be written. The record is innocent: once that is mended, it goes."""


class MembershipLost(BrokerError):
    """The consumer cannot go on: the group, or the client, gave it up. A new one can."""


class EmbeddedBrokerRefused(EventsError, RuntimeError):
    """The development broker was asked for where it must not run."""

    traceback_helps = False
    """Read by `lifespan`: the text says what to change."""


class GaveUp(EventsError):
    """A part of this process has not worked for longer than `EVENTS["GIVE_UP"]` seconds: the process ends."""

    traceback_helps = False


def waiting_helps(error: BaseException) -> bool:
    """Whether to try again may cure it: yes, unless its attribute `waiting_helps` is False."""
    return bool(getattr(error, "waiting_helps", True))


def told(error: BaseException) -> str:
    """One line that anybody may read: the text of an error of ours, of another only its name.

    What a database or a library says may hold names, addresses and values; that is for the log.
    """
    if isinstance(error, EventsError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: the log says more"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


class Retry(EventsError):
    """Raise it in a subscriber: handle this event again later.

    `after_s`: seconds to wait, at most `EVENTS["RETRY_MAX_DELAY"]`, because later records of the partition wait too;
    None follows the retry settings. It counts as an attempt. Raises `TypeError` for what is no number.
    """

    def __init__(self, text: str = "", *, after_s: float | None = None) -> None:
        if after_s is not None and not _is_number(after_s):
            raise TypeError(f"Retry(after_s=...) takes a number of seconds, not {after_s!r}.")
        super().__init__(text)
        self.after_s = after_s


class Reject(EventsError):
    """Raise it in a subscriber: this event can never be handled. It goes to the dead letters at once."""
