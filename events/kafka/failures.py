"""aiokafka's errors in our words: what waiting cures, what a new consumer cures, what is refused for good."""

import re
import ssl
from collections.abc import Callable

from aiokafka import errors

from events.core.errors import BrokerUnavailable, ClientRefused, MembershipLost

APPLY = "manage.py events_topics --apply"

LOG_IN = "the log-in failed: check sasl_mechanism, user and password"

_ADVICE: dict[type[Exception], str] = {
    errors.InconsistentGroupProtocolError: (
        "other members of the group use another assignor: stop them, or give this group another name"
    ),
    errors.GroupAuthorizationFailedError: "the user may not read in this group: grant READ on it",
    errors.TopicAuthorizationFailedError: "the user may not use this topic: grant READ, WRITE or DESCRIBE on it",
    errors.ClusterAuthorizationFailedError: (
        "the user may write to no topic: grant WRITE on them; before Kafka 2.8 IDEMPOTENT_WRITE on the cluster, too"
    ),
    errors.InvalidSessionTimeoutError: (
        "session_timeout_ms lies outside the brokers' group.min/max.session.timeout.ms"
    ),
    errors.AuthenticationFailedError: LOG_IN,
    errors.SaslAuthenticationFailed: LOG_IN,
    errors.UnsupportedSaslMechanismError: "set sasl_mechanism to one that the brokers offer",
    errors.IllegalSaslStateError: "this listener of the brokers takes no log-in: check its port and security_protocol",
    ssl.SSLCertVerificationError: (
        "ssl_cafile must hold the authority that signed the brokers' certificates, and these must name the host"
    ),
    ssl.SSLError: "does the port speak TLS, and does it want a certificate of yours: ssl_certfile, ssl_keyfile?",
    errors.UnsupportedCodecError: "a record is compressed in a way that needs another library: install cramjam",
}

_FOR_GOOD = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.SecurityDisabled,
    errors.GroupAuthorizationFailedError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.InconsistentGroupProtocolError,
    errors.InvalidGroupIdError,
    errors.InvalidSessionTimeoutError,
    errors.UnsupportedVersionError,
    errors.IncompatibleBrokerVersion,
)


def is_for_good(error: BaseException) -> bool:
    """Whether the brokers refuse this client itself, so that somebody must change something before it can work."""
    return isinstance(error, _FOR_GOOD)


def described(error: BaseException) -> str:
    """One line: the error's name, its text or else Kafka's, and what to do where we know it."""
    name = type(error).__name__
    if isinstance(error, errors.CommitFailedError):  # its own text advises on settings that have no part in it here
        return f"{name}: the group has rebalanced; the records are handled again, by whoever owns them now"
    own = str(error).removeprefix(f"[Error {getattr(error, 'errno', '')}] ").removeprefix(name).lstrip(": ")
    if own.startswith("<"):  # aiokafka's connection, as text
        own = ""
    text, _, sockets = (own or getattr(error, "description", "")).partition(" [(")
    if sockets:  # ('host', 9092, <AddressFamily.AF_UNSPEC: 0>), ...
        text += " " + ", ".join(f"{host}:{port}" for host, port in re.findall(r"'([^']+)', (\d+)", sockets))
    text = re.sub(r" \(_ssl\.c:\d+\)", "", text)
    advice = next((said for kind, said in _ADVICE.items() if isinstance(error, kind)), "")
    return name + (f": {text}" if text else "") + (f" ({advice})" if advice else "")


class _Alone:
    """Lets an error out of its block translated, and alone: no cause, and none of the frames in which it came up.

    Local variables in frames of aiokafka are the password, and the bytes that log in. Whoever shows local variables
    (Django's error page, an error tracker) would show them. A class, because `contextmanager` puts frames back.
    """

    def __init__(self, translated: Callable[[BaseException], BaseException]) -> None:
        self._translated = translated

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            raise self._translated(error).with_traceback(None) from None


def alone(translated: Callable[[BaseException], BaseException] = lambda error: error) -> _Alone:
    """Let errors of the block out without the frames in which they came up, as they are or `translated`."""
    return _Alone(translated)


def unavailable(what: str) -> _Alone:
    """Turn aiokafka's errors and time-outs of the block into `BrokerUnavailable`, which says what could not be done.

    It is a `ClientRefused` when waiting does not help.
    """

    def translated(error: BaseException) -> BaseException:
        if isinstance(error, TimeoutError):
            return BrokerUnavailable(f"{what}: no answer in time.")
        if isinstance(error, errors.KafkaError | errors.ConsumerStoppedError | OSError):
            return (ClientRefused if is_for_good(error) else BrokerUnavailable)(f"{what}: {described(error)}")
        return error

    return _Alone(translated)


def membership_lost(what: str) -> _Alone:
    """Turn aiokafka's errors of the block into `MembershipLost`, or `ClientRefused` when no new member helps."""

    def translated(error: BaseException) -> BaseException:
        if isinstance(error, errors.KafkaError | errors.ConsumerStoppedError):
            return (ClientRefused if is_for_good(error) else MembershipLost)(f"{what}: {described(error)}")
        return error

    return _Alone(translated)
