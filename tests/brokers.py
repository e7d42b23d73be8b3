"""`FaultyBroker`: a mock Kafka cluster in a child process, to be driven into faults by tests.

In a process of its own, because the mock can abort the process that it lives in (two members of a group with different
assignors do it). The child ends with its standard input, so also when the test process is killed.

    from tests.brokers import mock_cluster  # noqa: F401  (a fixture: in the conftest.py of the folder)

    async def test_...(mock_cluster):
        mock_cluster.create_topic("quotes", 3)
        mock_cluster.down()
"""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from events.embedded.mock import Kept, MockCluster

ROOT = Path(__file__).resolve().parents[1]


class FaultyBroker:
    """The methods of `MockCluster`, in another process. `address`: "host:port"."""

    def __init__(self, brokers=1):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.brokers", str(brokers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.address = self._answer()

    def create_topic(self, name, partitions):
        """Create a topic; False when it was there."""
        return self._call("create_topic", name, partitions)

    def kept(self, topic, partition):
        """What a partition holds: `Kept(first, end)`."""
        return Kept(*self._call("kept", topic, partition))

    def down(self, broker=-1):
        """Cut all connections and refuse new ones."""
        self._call("down", broker)

    def up(self, broker=-1):
        """Take connections again, on the same port."""
        self._call("up", broker)

    def rtt(self, milliseconds, broker=-1):
        """Delay every answer."""
        self._call("rtt", milliseconds, broker)

    def push_errors(self, api_key, *codes):
        """Answer the next requests of this kind with these error codes."""
        self._call("push_errors", api_key, *codes)

    def set_rebalance_delay(self, milliseconds):
        """How long the first member of a group waits for others. Here 0 from the start."""
        self._call("set_rebalance_delay", milliseconds)

    def close(self):
        """End the child."""
        with contextlib.suppress(BrokenPipeError):  # it died with something unread
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def kill(self):
        """End it as a crash would. `close` is still to be called."""
        self._process.kill()

    def _call(self, name, *arguments):
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        answer = json.loads(self._process.stdout.readline() or '{"error": "the mock cluster has died"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]


@pytest.fixture
def mock_cluster():
    """A `FaultyBroker` of one broker, without topics, with no rebalance delay."""
    pytest.importorskip("confluent_kafka")
    broker = FaultyBroker()
    yield broker
    broker.close()


def _obey(cluster, line):
    name, *arguments = json.loads(line)
    try:
        return {"value": getattr(cluster, name)(*arguments)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _main():
    cluster = MockCluster(int(sys.argv[1]))
    cluster.set_rebalance_delay(0)
    sys.stdout.write(json.dumps({"value": cluster.address}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_obey(cluster, line)) + "\n")
        sys.stdout.flush()
    cluster.close()


if __name__ == "__main__":
    _main()
