"""The plan of a group: complete, balanced, deterministic, and what is claimed stays."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from events.core.assignment import Member, plan
from events.core.broker import Partition

TOPICS = ("a", "b", "c")
names = st.text("mnop", min_size=1, max_size=3)
counts = st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 9), min_size=1)
subscriptions = st.frozensets(st.sampled_from(TOPICS), min_size=1)
partitions = st.builds(Partition, st.sampled_from(TOPICS), st.integers(-1, 10))
members = st.builds(
    Member, subscriptions, st.lists(partitions, max_size=8).map(tuple), st.integers(-1, 3), st.booleans()
)


def all_of(counts):
    return {Partition(topic, number) for topic, count in counts.items() for number in range(count)}


def assigned(result):
    return [partition for owned in result.values() for partition in owned]


@given(st.dictionaries(names, members, min_size=1, max_size=6), counts)
def test_every_wanted_partition_has_exactly_one_owner_who_wants_it(group, counts):
    result = plan(group, counts)

    wanted = {topic for member in group.values() for topic in member.topics}
    assert sorted(assigned(result)) == sorted(one for one in all_of(counts) if one.topic in wanted)
    assert set(result) == set(group)
    assert all(one.topic in group[name].topics for name, owned in result.items() for one in owned)


@given(st.sets(names, min_size=1, max_size=6), counts)
def test_without_claims_nobody_has_more_than_one_more_than_another(group, counts):
    result = plan({name: Member(frozenset(TOPICS)) for name in group}, counts)

    totals = [len(owned) for owned in result.values()]
    assert max(totals) - min(totals) <= 1
    for topic in TOPICS:
        of_topic = [sum(one.topic == topic for one in owned) for owned in result.values()]
        assert max(of_topic) - min(of_topic) <= 1


@given(st.dictionaries(names, members, min_size=1, max_size=6), counts)
def test_a_partition_claimed_by_one_member_stays_with_it(group, counts):
    claims = Counter(one for member in group.values() for one in set(member.claims))

    result = plan(group, counts)

    for name, member in group.items():
        for claim in member.claims:
            if claims[claim] == 1 and claim in all_of(counts) and claim.topic in member.topics:
                assert claim in result[name]


@given(st.dictionaries(names, members, min_size=1, max_size=6), counts)
def test_the_rest_goes_to_those_with_the_least(group, counts):
    group = {name: Member(frozenset(TOPICS), one.claims, one.generation) for name, one in group.items()}

    result = plan(group, counts)

    fewest = min(map(len, result.values()))
    for name, owned in result.items():
        given_anew = set(owned) - set(group[name].claims)
        assert not given_anew or len(owned) <= fewest + 1


@given(st.dictionaries(names, members, min_size=1, max_size=6), counts, st.randoms())
def test_the_order_in_which_members_come_changes_nothing(group, counts, random):
    shuffled = random.sample(list(group.items()), len(group))

    assert plan(dict(shuffled), counts) == plan(group, counts)


@given(st.dictionaries(names, members, min_size=1, max_size=6), counts)
def test_a_plan_that_everybody_claims_is_the_next_plan(group, counts):
    first = plan(group, counts)

    claiming = {name: Member(one.topics, tuple(first[name])) for name, one in group.items()}

    assert plan(claiming, counts) == first


def test_of_two_that_claim_the_same_the_later_generation_is_right():
    claim = Partition("a", 0)

    result = plan({"m": Member(frozenset("a"), (claim,), 4), "n": Member(frozenset("a"), (claim,), 5)}, {"a": 1})

    assert result == {"m": [], "n": [claim]}


def test_who_leaves_is_given_nothing_new_unless_nobody_stays():
    leaving, staying = Member(frozenset("a"), leaving=True), Member(frozenset("a"))

    assert plan({"m": leaving, "n": staying}, {"a": 2}) == {"m": [], "n": [Partition("a", 0), Partition("a", 1)]}
    assert plan({"m": leaving}, {"a": 1}) == {"m": [Partition("a", 0)]}
