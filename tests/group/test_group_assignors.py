"""Kafka's `range` and `roundrobin`: their examples, what Kafka's own classes make of 1,500 random groups, and what
holds for any group; what an assignment must be.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkastatic._group.assignors import RangeAssignor, RoundRobinAssignor, checked, resolve
from kafkastatic._group.dealing import in_order
from kafkastatic.errors import ConfigError, InvalidAssignmentError
from kafkastatic.types import Assignor, MemberSubscription, TopicPartition


def member(member_id: str, *topics: str, instance_id: str | None = None) -> MemberSubscription:
    return MemberSubscription(member_id, instance_id, topics)


def tps(*names: str) -> list[TopicPartition]:
    """`"t0-1"` for partition 1 of topic t0."""
    return [TopicPartition(name[:-2], int(name[-1])) for name in names]


def test_two_consumers_and_two_topics_of_three() -> None:
    """The example of Kafka's own documentation: the first consumer gets one more of each topic."""
    members = [member("C0", "t0", "t1"), member("C1", "t0", "t1")]

    assert RangeAssignor().assign({"t0": 3, "t1": 3}, members) == {
        "C0": tps("t0-0", "t0-1", "t1-0", "t1-1"),
        "C1": tps("t0-2", "t1-2"),
    }


def test_consumers_with_different_subscriptions() -> None:
    """A topic is shared out among those who read it."""
    members = [member("C0", "t0"), member("C1", "t0", "t1"), member("C2", "t0", "t1", "t2")]

    assert RangeAssignor().assign({"t0": 1, "t1": 2, "t2": 3}, members) == {
        "C0": tps("t0-0"),
        "C1": tps("t1-0"),
        "C2": tps("t1-1", "t2-0", "t2-1", "t2-2"),
    }


def test_more_consumers_than_partitions() -> None:
    """Who comes last in order gets nothing, and is named all the same."""
    members = [member(name, "t0") for name in ("C2", "C0", "C1")]

    assert RangeAssignor().assign({"t0": 2}, members) == {"C0": tps("t0-0"), "C1": tps("t0-1"), "C2": []}


def test_topics_nobody_reads_and_topics_that_do_not_exist() -> None:
    """Neither is assigned to anybody."""
    assert RangeAssignor().assign({"t0": 2}, [member("C0", "t1")]) == {"C0": []}
    assert RangeAssignor().assign({}, []) == {}


def test_static_members_come_first_by_instance_id() -> None:
    """Then dynamic ones by member id."""
    members = [
        member("a", "t0"),
        member("z-new", "t0", instance_id="i1"),
        member("b-new", "t0", instance_id="i2"),
        member("0", "t0"),
    ]

    assert [m.member_id for m in in_order(members)] == ["z-new", "b-new", "0", "a"]


def test_a_restart_of_static_members_reshuffles_nothing() -> None:
    """New member ids under the same instance ids get the same partitions."""
    before = [member(name, "t0", "t1", instance_id=inst) for name, inst in (("A", "i1"), ("B", "i2"), ("C", "i3"))]
    after = [member(name, "t0", "t1", instance_id=inst) for name, inst in (("Z", "i1"), ("A", "i2"), ("B", "i3"))]

    old = RangeAssignor().assign({"t0": 4, "t1": 2}, before)
    new = RangeAssignor().assign({"t0": 4, "t1": 2}, after)

    assert [new[name] for name in "ZAB"] == [old[name] for name in "ABC"]


def test_round_robin_deals_out_all_topics_in_turn() -> None:
    """The examples of Kafka's own documentation: with the same subscriptions, and with different ones."""
    same = [member("C0", "t0", "t1"), member("C1", "t0", "t1")]
    different = [member("C0", "t0"), member("C1", "t0", "t1"), member("C2", "t0", "t1", "t2")]

    assert RoundRobinAssignor().assign({"t0": 3, "t1": 3}, same) == {
        "C0": tps("t0-0", "t0-2", "t1-1"),
        "C1": tps("t0-1", "t1-0", "t1-2"),
    }
    assert RoundRobinAssignor().assign({"t0": 1, "t1": 2, "t2": 3}, different) == {
        "C0": tps("t0-0"),
        "C1": tps("t1-0"),
        "C2": tps("t1-1", "t2-0", "t2-1", "t2-2"),
    }


def test_round_robin_leaves_out_what_nobody_reads() -> None:
    """No member, no topic, no reader: nothing is dealt out, and nobody is waited for."""
    assert RoundRobinAssignor().assign({"t0": 2}, [member("C0", "t1")]) == {"C0": []}
    assert RoundRobinAssignor().assign({"t0": 2}, []) == {}
    assert RoundRobinAssignor().assign({}, [member("C0", "t0")]) == {"C0": []}


# ── Kafka's own classes ────────────────────────────────────────────────────────────────────────────────────────

LINES = gzip.decompress((Path(__file__).parent / "assignors.jsonl.gz").read_bytes()).decode().splitlines()


@pytest.mark.parametrize("assignor", [RangeAssignor(), RoundRobinAssignor()], ids=lambda assignor: assignor.name)
def test_every_group_is_assigned_as_by_kafka(assignor: Assignor) -> None:
    """Members with and without instance ids, of alike and differing subscriptions, missing topics, uneven partition
    counts, no racks: `tools/assignor_vectors.py` asked Kafka's own class.
    """
    assert len(LINES) >= 1000
    for number, line in enumerate(map(json.loads, LINES)):
        members = [member(one["id"], *one["topics"], instance_id=one["instance"]) for one in line["members"]]
        kafkas = {who: sorted((t, p) for t, p in share) for who, share in line[assignor.name].items()}

        ours = assignor.assign(line["partitions"], members)

        assert {who: sorted(map(tuple, share)) for who, share in ours.items()} == kafkas, f"group {number}"


# ── any group ──────────────────────────────────────────────────────────────────────────────────────────────────

TOPICS = ("t0", "t1", "t2")
groups = st.lists(st.tuples(st.booleans(), st.sets(st.sampled_from(TOPICS))), max_size=8)
counts = st.dictionaries(st.sampled_from(TOPICS), st.integers(1, 12))


@given(counts, groups, st.randoms(use_true_random=False))
def test_any_group_is_shared_out_fairly(
    partitions: dict[str, int], group: list[tuple[bool, set[str]]], shuffle: random.Random
) -> None:
    """Each partition that somebody reads has one owner, who reads it; shares of a topic differ by one at most, the
    first members in order have the larger ones, and the order in which members are listed does not matter.
    """
    members = [
        member(f"m{n}", *topics, instance_id=f"i{9 - n}" if static else None)
        for n, (static, topics) in enumerate(group)
    ]

    shares = RangeAssignor().assign(partitions, members)

    assert shares.keys() == {m.member_id for m in members}
    owned = [tp for share in shares.values() for tp in share]
    read = {topic for m in members for topic in m.topics}
    assert sorted(owned) == [
        TopicPartition(t, p) for t in sorted(partitions) if t in read for p in range(partitions[t])
    ]
    for topic in partitions:
        sizes = []
        for m in in_order(members):
            share = [tp.partition for tp in shares[m.member_id] if tp.topic == topic]
            assert share == list(range(share[0], share[0] + len(share))) if share else True
            assert topic in m.topics or not share
            if topic in m.topics:
                sizes.append(len(share))
        assert sizes == sorted(sizes, reverse=True)
        assert not sizes or sizes[0] - sizes[-1] <= 1
    shuffled = list(members)
    shuffle.shuffle(shuffled)
    assert RangeAssignor().assign(partitions, shuffled) == shares


@given(counts, groups)
def test_round_robin_gives_every_partition_to_one_reader(
    partitions: dict[str, int], group: list[tuple[bool, set[str]]]
) -> None:
    """What the check of custom assignors demands; with the same subscriptions, shares differ by one at most."""
    members = [
        member(f"m{n}", *topics, instance_id=f"i{9 - n}" if static else None)
        for n, (static, topics) in enumerate(group)
    ]
    read = {topic for m in members for topic in m.topics}

    shares = checked("roundrobin", RoundRobinAssignor().assign(partitions, members), partitions, members)

    owned = sorted(tp for share in shares.values() for tp in share)
    assert owned == [TopicPartition(t, p) for t in sorted(partitions) if t in read for p in range(partitions[t])]
    if len({frozenset(m.topics) for m in members}) == 1:
        sizes = [len(share) for share in shares.values()]
        assert max(sizes) - min(sizes) <= 1


# ── what an assignment must be ─────────────────────────────────────────────────────────────────────────────────

MEMBERS = [member("a", "t0", "t1"), member("b", "t0")]


def test_an_assignment_may_be_any_sequences_and_leave_out_members_and_partitions() -> None:
    """Tuples do for partitions; whoever is left out gets nothing."""
    assert checked("own", {"a": [("t1", 0), TopicPartition("t0", 1)]}, {"t0": 3, "t1": 1}, MEMBERS) == {
        "a": tps("t1-0", "t0-1"),
        "b": [],
    }


@pytest.mark.parametrize(
    ("outcome", "offence", "about"),
    [
        (None, "returned None", (None, None, None)),
        (["a"], "no mapping of member ids", (None, None, None)),
        ({"c": []}, "'c', who is no member", ("c", None, None)),
        ({"a": None}, "assigns to a are no partitions: None", ("a", None, None)),
        ({"a": ["t0"]}, "are no partitions", ("a", None, None)),
        ({"a": ["t0-1"]}, "are no partitions", ("a", None, None)),
        ({"a": [("t0", "0")]}, "are no partitions", ("a", None, None)),
        ({"a": [("t0", 3)]}, "t0-3 to a, which does not exist", ("a", "t0", 3)),
        ({"a": [("t0", -1)]}, "which does not exist", ("a", "t0", -1)),
        ({"a": [("t9", 0)]}, "which does not exist", ("a", "t9", 0)),
        ({"a": [("t0", 0)], "b": [("t0", 0)]}, "t0-0 to b, which a has already", ("b", "t0", 0)),
        ({"a": [("t0", 0), ("t0", 0)]}, "which a has already", ("a", "t0", 0)),
        ({"b": [("t1", 0)]}, "t1-0 to b, whose topic that member did not subscribe to", ("b", "t1", 0)),
    ],
)
def test_what_a_group_cannot_live_by_is_refused(outcome: object, offence: str, about: tuple[object, ...]) -> None:
    """The error names the assignor, the offence, and whom and what it is about."""
    with pytest.raises(InvalidAssignmentError, match="'own' is invalid") as caught:
        checked("own", outcome, {"t0": 3, "t1": 1}, MEMBERS)

    assert offence in str(caught.value)
    assert (caught.value.assignor, caught.value.fatal) == ("own", True)
    assert (caught.value.member_id, caught.value.topic, caught.value.partition) == about


# ── names ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_resolves_to_its_assignor_and_an_object_to_itself() -> None:
    """In the order given."""

    class Own(RangeAssignor):
        name = "own"

    own = Own()
    first, second = resolve(["range", own])

    assert (type(first), second) == (RangeAssignor, own)


@pytest.mark.parametrize("strategies", [["stickier"], ["range", "range"], ["range", RangeAssignor()]])
def test_an_unknown_or_repeated_name_is_refused(strategies) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="partition_assignment_strategy"):
        resolve(strategies)
