"""The hash of keys is Kafka's own: the vectors are those of Kafka's `UtilsTest.testMurmur2`."""

import pytest

from events.testing.murmur2 import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_it_gives_kafkas_numbers(data, signed):
    assert murmur2(data) == signed % 2**32


def test_partitions_count_from_0():
    assert {partition_of(str(number).encode(), 3) for number in range(100)} == {0, 1, 2}
