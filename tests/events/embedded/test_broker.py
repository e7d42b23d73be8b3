"""The broker process from inside, over a cluster that is a dictionary."""

import threading

from events.embedded import broker as broker_module
from events.embedded.broker import Broker
from events.embedded.folder import Folder
from events.embedded.mock import Kept


class Cluster:
    """Answers what partitions keep, and notes in which thread it was asked."""

    address = "127.0.0.1:9"

    def __init__(self):
        self.asked_in = set()

    def set_rebalance_delay(self, milliseconds):
        """There are no groups here."""

    def kept(self, topic, partition):
        self.asked_in.add(threading.current_thread())
        return Kept(0, partition)


class Topics(dict):
    """Notes in which threads it is read: the loop writes it, so nobody else may."""

    def __init__(self, topics):
        super().__init__(topics)
        self.read_in = set()

    def items(self):
        self.read_in.add(threading.current_thread())
        return super().items()


async def test_only_the_loop_reads_its_topics_and_only_a_thread_waits_for_the_cluster(tmp_path, monkeypatch):
    monkeypatch.setattr(broker_module, "MockCluster", Cluster)
    broker = Broker(Folder(tmp_path), 1.0)
    topics = broker._topics = Topics({"quotes": 2})

    found = await broker._kept()

    assert found == {("quotes", 0): Kept(0, 0), ("quotes", 1): Kept(0, 1)}
    assert topics.read_in == {threading.current_thread()}
    assert threading.current_thread() not in broker._cluster.asked_in
