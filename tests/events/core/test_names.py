"""Names that Kafka takes, and those that it does not."""

import pytest

from events.core.names import is_legal


@pytest.mark.parametrize("name", ["a", "Quotes_2.of-today", "x" * 249])
def test_kafka_takes_it(name):
    assert is_legal(name)


@pytest.mark.parametrize("name", ["", "with space", "a/b", "caf\u00e9", "a\n", "x" * 250, 5])
def test_kafka_does_not_take_it(name):
    assert not is_legal(name)
