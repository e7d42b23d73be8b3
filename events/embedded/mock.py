"""`MockCluster`: librdkafka's mock of a Kafka cluster, driven through ctypes.

The Python package `confluent-kafka` shows little of it, but its extension module carries the library, and looking up
a C function in that module finds those of the library too. So no path of a shared object is guessed.

What the mock is not (measured with librdkafka 2.16): a partition keeps 5 MiB or 100,000 batches and drops the oldest
in silence; a group of two members is broken by a race; two members with different assignors abort the whole
process. So never load it into a process that must live.
"""

import ctypes
import importlib
from functools import cache
from typing import NamedTuple

from events.core.errors import BrokerUnavailable, EmbeddedBrokerRefused

PARTITION_BYTES = 5 * 1024 * 1024
"""What a partition of the mock keeps at most, in bytes (rd_kafka_mock.c; no setting changes it)."""

ALL_BROKERS = -1
_PRODUCER = 0
_TOPIC_ALREADY_EXISTS = 36

_pointer, _int, _int16, _int32, _int64 = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int16,
    ctypes.c_int32,
    ctypes.c_int64,
)
_text, _size = ctypes.c_char_p, ctypes.c_size_t

# Name: what it returns, what it takes. From rdkafka.h and rdkafka_mock.h.
_FUNCTIONS = {
    "rd_kafka_conf_new": (_pointer, []),
    "rd_kafka_conf_set": (_int, [_pointer, _text, _text, _text, _size]),
    "rd_kafka_new": (_pointer, [_int, _pointer, _text, _size]),
    "rd_kafka_destroy": (None, [_pointer]),
    "rd_kafka_err2str": (_text, [_int]),
    "rd_kafka_brokers_add": (_int, [_pointer, _text]),
    "rd_kafka_query_watermark_offsets": (
        _int,
        [_pointer, _text, _int32, ctypes.POINTER(_int64), ctypes.POINTER(_int64), _int],
    ),
    "rd_kafka_mock_cluster_new": (_pointer, [_pointer, _int]),
    "rd_kafka_mock_cluster_destroy": (None, [_pointer]),
    "rd_kafka_mock_cluster_bootstraps": (_text, [_pointer]),
    "rd_kafka_mock_topic_create": (_int, [_pointer, _text, _int, _int]),
    "rd_kafka_mock_broker_set_down": (_int, [_pointer, _int32]),
    "rd_kafka_mock_broker_set_up": (_int, [_pointer, _int32]),
    "rd_kafka_mock_broker_set_rtt": (_int, [_pointer, _int32, _int]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [_pointer, _int32]),
    "rd_kafka_mock_push_request_errors_array": (None, [_pointer, _int16, _size, ctypes.POINTER(_int)]),
}


class Kept(NamedTuple):
    """What a partition holds: offsets from `first` up to, without, `end`. `first` > 0: the oldest were dropped."""

    first: int
    end: int


class MockCluster:
    """A Kafka cluster in the memory of this process, on a port of its own on 127.0.0.1. Also a fault injector.

    `brokers`: how many. Raises `EmbeddedBrokerRefused` when `confluent-kafka` is not installed.
    """

    def __init__(self, brokers: int = 1) -> None:
        self._library = _library()
        self._client = self._new_client()
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        if not self._cluster:
            self._library.rd_kafka_destroy(self._client)
            raise BrokerUnavailable("librdkafka could not start its mock cluster.")
        self.address: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._library.rd_kafka_brokers_add(self._client, self.address.encode())
        self._closed = False

    def create_topic(self, name: str, partitions: int) -> bool:
        """Create a topic. False: it was there already, perhaps with another number of partitions."""
        code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code == _TOPIC_ALREADY_EXISTS:
            return False
        self._check(code, f"create topic {name!r} with {partitions} partitions")
        return True

    def kept(self, topic: str, partition: int, *, timeout_s: float = 5.0) -> Kept:
        """Ask what a partition holds. Blocks. Raises `BrokerUnavailable` after `timeout_s` seconds."""
        first, end = _int64(), _int64()
        code = self._library.rd_kafka_query_watermark_offsets(
            self._client, topic.encode(), partition, ctypes.byref(first), ctypes.byref(end), int(timeout_s * 1000)
        )
        self._check(code, f"ask {topic}/{partition} for its offsets")
        return Kept(first.value, end.value)

    def down(self, broker: int = ALL_BROKERS) -> None:
        """Cut all connections and refuse new ones. What is kept stays."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker), "go down")

    def up(self, broker: int = ALL_BROKERS) -> None:
        """Take connections again, on the same port."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker), "come up")

    def rtt(self, milliseconds: int, broker: int = ALL_BROKERS) -> None:
        """Delay every answer by so many milliseconds."""
        self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds), "set the rtt")

    def push_errors(self, api_key: int, *codes: int) -> None:
        """Answer the next requests of this kind with these Kafka error codes, one each. 0: answer it rightly."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, api_key, len(codes), (_int * len(codes))(*codes)
        )

    def set_rebalance_delay(self, milliseconds: int) -> None:
        """How long the first member of a group waits for others. The mock's default is 3,000."""
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, milliseconds)

    def close(self) -> None:
        """End the cluster and forget what it kept. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)

    def _new_client(self) -> int:
        problem = ctypes.create_string_buffer(512)
        settings = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(settings, b"log_level", b"0", problem, 512)
        client: int | None = self._library.rd_kafka_new(_PRODUCER, settings, problem, 512)
        if not client:
            raise BrokerUnavailable(f"librdkafka could not start: {problem.value.decode()}")
        return client

    def _check(self, code: int, what: str) -> None:
        if code:
            reason = self._library.rd_kafka_err2str(code).decode()
            raise BrokerUnavailable(f"The embedded broker could not {what}: {reason}.")


@cache
def _library() -> ctypes.CDLL:
    try:
        extension = importlib.import_module("confluent_kafka.cimpl")
    except ImportError as error:
        raise EmbeddedBrokerRefused(
            "The embedded broker needs confluent-kafka: install django-kafka-events[embedded] "
            "or set EVENTS['BOOTSTRAP_SERVERS'] to the address of a Kafka."
        ) from error
    library = ctypes.CDLL(str(extension.__file__))
    for name, (returned, taken) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = returned, taken
    return library
