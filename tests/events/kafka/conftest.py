"""What the tests of the Kafka client share: an engine that records what it is told, and clean logs of outages."""

import pytest

from tests.brokers import mock_cluster

__all__ = ["mock_cluster"]

pytestmark = pytest.mark.embedded
