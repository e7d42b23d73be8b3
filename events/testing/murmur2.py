"""The hash by which Kafka's own producers choose the partition of a key.

Source: Kafka's `org.apache.kafka.common.utils.Utils.murmur2`; its test vectors are ours too.
"""

_M = 0x5BD1E995
_WORD = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, from 0, of a key in a topic of so many."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The hash as a number without sign, of 32 bits."""
    hashed = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _WORD
        word = (word ^ word >> 24) * _M & _WORD
        hashed = (hashed * _M & _WORD) ^ word
    if rest := data[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _M & _WORD
    hashed = (hashed ^ hashed >> 13) * _M & _WORD
    return hashed ^ hashed >> 15
