"""The plan of topics: what differs between declared and found."""

from events.kafka.topics import Difference, Shape, plan

WANTED = Shape(6, 3)


def test_what_is_alike_is_not_mentioned_and_other_topics_are_nobodys_business():
    assert plan({"quotes": WANTED}, {"quotes": WANTED, "others": Shape(1, 1)}) == []


def test_each_difference_has_its_word():
    existing = {"b": Shape(5, 3), "c": Shape(7, 3), "d": Shape(6, 1)}

    found = plan(dict.fromkeys("dcba", WANTED), existing)

    assert found == [Difference(name, WANTED, existing.get(name)) for name in "abcd"]
    assert [one.what for one in found] == ["missing", "fewer partitions", "more partitions", "other replication"]


def test_a_shape_reads_as_a_sentence():
    assert [str(Shape(1, 1)), str(WANTED)] == ["1 partition, 1 replica", "6 partitions, 3 replicas"]
