"""Committed offsets: who may commit, what is stored, what is fetched and deleted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkastatic._protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from kafkastatic._protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from kafkastatic.broker.groups import Reply
from kafkastatic.types import OffsetAndMetadata, TopicPartition
from tests.broker.group_scenes import GROUP, Scene, stable
from tests.support.raw_peer import subscription

ORDERS, PAYMENTS = bytes([1] * 16), bytes([2] * 16)
NO_SUCH_ID = bytes([9] * 16)


def committing(*offsets: tuple[str, int, int], group: str = GROUP) -> OffsetCommitRequest:
    """A commit of somebody who is no member."""
    topics: dict[str, list[OffsetCommitRequestPartition]] = {}
    for name, partition, offset in offsets:
        topics.setdefault(name, []).append(
            OffsetCommitRequestPartition(
                partition_index=partition, committed_offset=offset, committed_leader_epoch=4, committed_metadata="m"
            )
        )
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        topics=[OffsetCommitRequestTopic(name=name, partitions=partitions) for name, partitions in topics.items()],
    )


def committed(codes: Mapping[str, list[tuple[int, int]]]) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=name,
                partitions=[OffsetCommitResponsePartition(partition_index=p, error_code=code) for p, code in answers],
            )
            for name, answers in codes.items()
        ]
    )


# Who may commit


def test_a_member_commits_in_its_generation() -> None:
    """With its instance id or without."""
    scene = stable("a", "b")

    assert scene.commit("1", "a-1", "a", gen=2) == 0
    assert scene.commit("2", "a-1", gen=2, offset=8) == 0
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(8)}


def test_it_is_not_checked_who_owns_what() -> None:
    """A member may commit any partition of the present generation."""
    scene = stable("a", "b")

    assert scene.commit("1", "b-2", "b", gen=2, offset=9) == 0
    assert scene.commit("2", "a-1", "a", gen=2, offset=3) == 0
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(3)}


@pytest.mark.parametrize(
    ("mid", "inst", "gen", "code"),
    [
        ("a-1", "a", 1, 22),
        ("a-1", "a", 3, 22),
        ("a-1", "a", -1, 22),
        ("a-1", "b", 2, 82),
        ("a-1", "nobody", 2, 25),
        ("ghost", None, 2, 25),
        ("ghost", "a", 2, 82),
        ("", None, -1, 25),
        ("", "a", -1, 82),
        ("", "nobody", -1, 25),
    ],
)
def test_who_may_not_commit_to_a_group_with_members(mid: str, inst: str | None, gen: int, code: int) -> None:
    """Identity, then generation; nobody from outside, and a consumer that sends its instance id alone fences itself."""
    scene = stable("a", "b")

    assert scene.commit("commit", mid, inst, gen=gen) == code
    assert scene.coordinator.committed(GROUP) == {}


def test_commits_have_to_wait_until_assignments_are_there() -> None:
    """While syncs are awaited REBALANCE_IN_PROGRESS, though a fenced member is told that it is fenced."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")
    scene.join("b", "b")
    assert scene.state() == "CompletingRebalance"

    assert scene.commit("1", "a-1", "a", gen=3) == 27
    assert scene.commit("2", "b-2", "b", gen=3) == 82
    assert scene.commit("3", "a-1", "a", gen=2) == 22


def test_commits_are_taken_while_joins_are_awaited() -> None:
    """In the generation that is about to end: a revoked partition is committed then."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")
    assert scene.state() == "PreparingRebalance"

    assert scene.commit("commit", "b-2", "b", gen=2) == 0


def test_a_group_without_members_takes_commits_from_anybody() -> None:
    """Without a generation, whatever the identity; with one, nobody is a member."""
    scene = stable("a")
    scene.leave("leave", ("a-1", "a"))

    assert scene.commit("1", gen=-1) == 0
    assert scene.commit("2", "a-1", "a", gen=-1) == 0
    assert scene.commit("3", "a-1", "a", gen=2) == 25


def test_a_commit_makes_a_group() -> None:
    """Of offsets only, with no protocol type."""
    scene = Scene()

    assert scene.commit("commit", gen=-1) == 0
    assert scene.state() == "Empty"


@pytest.mark.parametrize(("release", "version", "code"), [("4.4", 8, 22), ("4.4", 9, 69), ("3.9", 9, 22)])
def test_a_members_commit_to_a_group_that_is_gone(release: str, version: int, code: int) -> None:
    """4.4 says so from version 9 on."""
    scene = Scene(behaves_as=release)

    assert scene.commit("commit", "a-1", "a", version=version) == code
    assert scene.state() == "Dead"


# What is stored


def test_what_is_not_there_is_refused_by_itself() -> None:
    """And comes first in the answer; the rest is stored."""
    scene = Scene()

    request = committing(("orders", 9, 1), ("orders", 0, 5), ("nothing", 0, 1), ("payments", 3, 6))
    assert scene.send("commit", request, 9) == [
        Reply("commit", committed({"orders": [(9, 3), (0, 0)], "nothing": [(0, 3)], "payments": [(3, 0)]}))
    ]
    assert scene.coordinator.committed(GROUP) == {
        TopicPartition("orders", 0): OffsetAndMetadata(5, "m", 4),
        TopicPartition("payments", 3): OffsetAndMetadata(6, "m", 4),
    }


def test_a_commit_of_nothing_that_is_there_is_not_looked_at() -> None:
    """No group comes of it, and no member is checked."""
    scene = Scene()

    assert scene.commit("1", "ghost", topic="nothing", gen=3) == 3
    assert scene.send("2", OffsetCommitRequest(group_id=GROUP, generation_id_or_member_epoch=3), 9) == [
        Reply("2", committed({}))
    ]
    assert scene.state() == "Dead"


def test_metadata_has_a_limit() -> None:
    """4096 characters; none is as good as empty."""
    scene = Scene()

    assert scene.commit("1", gen=-1, metadata="x" * 4_096) == 0
    assert scene.commit("2", gen=-1, metadata="x" * 4_097, offset=8) == 12
    assert scene.coordinator.committed(GROUP)[TopicPartition("orders", 0)] == OffsetAndMetadata(7, "x" * 4_096)
    assert scene.commit("3", gen=-1) == 0
    assert scene.coordinator.committed(GROUP)[TopicPartition("orders", 0)] == OffsetAndMetadata(7)


def test_from_version_10_on_topics_are_named_by_ids() -> None:
    """An id that nobody has is refused as such."""
    scene = Scene()
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5)
    missing = OffsetCommitRequestPartition(partition_index=9, committed_offset=5)
    request = OffsetCommitRequest(
        group_id=GROUP,
        generation_id_or_member_epoch=-1,
        topics=[
            OffsetCommitRequestTopic(topic_id=ORDERS, partitions=[partition, missing]),
            OffsetCommitRequestTopic(topic_id=NO_SUCH_ID, partitions=[partition]),
        ],
    )

    assert scene.send("commit", request, 10) == [
        Reply(
            "commit",
            OffsetCommitResponse(
                topics=[
                    OffsetCommitResponseTopic(
                        topic_id=ORDERS,
                        partitions=[
                            OffsetCommitResponsePartition(partition_index=9, error_code=3),
                            OffsetCommitResponsePartition(partition_index=0, error_code=0),
                        ],
                    ),
                    OffsetCommitResponseTopic(
                        topic_id=NO_SUCH_ID,
                        partitions=[OffsetCommitResponsePartition(partition_index=0, error_code=100)],
                    ),
                ]
            ),
        )
    ]
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(5)}


def test_the_offsets_of_a_deleted_topic_are_dropped() -> None:
    """In every group, which is not told."""
    scene = stable("a")
    scene.commit("1", "a-1", "a")
    scene.commit("2", "a-1", "a", topic="payments")
    scene.commit("3", gen=-1, group="other")

    scene.coordinator.topic_deleted("orders")

    assert scene.coordinator.committed(GROUP) == {TopicPartition("payments", 0): OffsetAndMetadata(7)}
    assert scene.coordinator.committed("other") == {}
    assert scene.state() == "Stable"


# Fetching


def test_offsets_are_fetched_without_being_a_member() -> None:
    """What was never committed is -1, also where group or topic is not there. A fenced member reads as anybody."""
    scene = Scene()
    scene.send("commit", committing(("orders", 1, 5)), 9)
    request = OffsetFetchRequest(
        group_id=GROUP,
        topics=[
            OffsetFetchRequestTopic(name="orders", partition_indexes=[1, 0]),
            OffsetFetchRequestTopic(name="nothing", partition_indexes=[7]),
        ],
    )

    nothing = OffsetFetchResponsePartition(partition_index=7, committed_offset=-1)
    answer = OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name="orders",
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=1, committed_offset=5, committed_leader_epoch=4, metadata="m"
                    ),
                    OffsetFetchResponsePartition(partition_index=0, committed_offset=-1),
                ],
            ),
            OffsetFetchResponseTopic(name="nothing", partitions=[nothing]),
        ]
    )
    assert [scene.send("fetch", request, version) for version in (1, 7)] == [[Reply("fetch", answer)]] * 2


def test_all_offsets_of_a_group_are_fetched() -> None:
    """Where no topics are named, from version 2 on."""
    scene = Scene()
    scene.send("commit", committing(("orders", 1, 5), ("payments", 0, 6)), 9)

    (reply,) = scene.send("fetch", OffsetFetchRequest(group_id=GROUP, topics=None), 7)

    assert [
        (topic.name, [(p.partition_index, p.committed_offset) for p in topic.partitions])
        for topic in reply.response.topics
    ] == [("orders", [(1, 5)]), ("payments", [(0, 6)])]
    assert scene.send("none", OffsetFetchRequest(group_id="other", topics=None), 7) == [
        Reply("none", OffsetFetchResponse())
    ]


def fetched(name: str, topic_id: bytes, *partitions: tuple[int, int], code: int = 0) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        name=name,
        topic_id=topic_id,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=partition,
                committed_offset=offset,
                committed_leader_epoch=4 if offset >= 0 else -1,
                metadata="m" if offset >= 0 else "",
                error_code=code,
            )
            for partition, offset in partitions
        ],
    )


def test_offsets_of_several_groups_are_fetched_at_once() -> None:
    """From version 8 on, some by name, some whole."""
    scene = Scene()
    scene.send("1", committing(("orders", 1, 5)), 9)
    scene.send("2", committing(("payments", 0, 6), group="other"), 9)
    request = OffsetFetchRequest(
        groups=[
            OffsetFetchRequestGroup(
                group_id=GROUP, topics=[OffsetFetchRequestTopics(name="orders", partition_indexes=[0, 1])]
            ),
            OffsetFetchRequestGroup(group_id="other", topics=None),
            OffsetFetchRequestGroup(group_id="no such group", topics=None, member_id="x", member_epoch=3),
        ]
    )

    assert scene.send("fetch", request, 9) == [
        Reply(
            "fetch",
            OffsetFetchResponse(
                groups=[
                    OffsetFetchResponseGroup(group_id=GROUP, topics=[fetched("orders", bytes(16), (0, -1), (1, 5))]),
                    OffsetFetchResponseGroup(group_id="other", topics=[fetched("payments", bytes(16), (0, 6))]),
                    OffsetFetchResponseGroup(group_id="no such group"),
                ]
            ),
        )
    ]


def test_offsets_are_fetched_by_topic_ids() -> None:
    """From version 10 on: ids that nobody has come last, and topics that are gone are left out of the whole."""
    scene = Scene()
    scene.send("commit", committing(("orders", 1, 5), ("payments", 0, 6)), 9)
    del scene.topics.ids["payments"]
    request = OffsetFetchRequest(
        groups=[
            OffsetFetchRequestGroup(
                group_id=GROUP,
                topics=[
                    OffsetFetchRequestTopics(topic_id=PAYMENTS, partition_indexes=[0]),
                    OffsetFetchRequestTopics(topic_id=ORDERS, partition_indexes=[1]),
                ],
            ),
            OffsetFetchRequestGroup(group_id=GROUP, topics=None),
        ]
    )

    assert scene.send("fetch", request, 10) == [
        Reply(
            "fetch",
            OffsetFetchResponse(
                groups=[
                    OffsetFetchResponseGroup(
                        group_id=GROUP,
                        topics=[fetched("", ORDERS, (1, 5)), fetched("", PAYMENTS, (0, -1), code=100)],
                    ),
                    OffsetFetchResponseGroup(group_id=GROUP, topics=[fetched("", ORDERS, (1, 5))]),
                ]
            ),
        )
    ]


# Deleting


def deleting(*partitions: tuple[str, int], group: str = GROUP) -> OffsetDeleteRequest:
    topics: dict[str, list[OffsetDeleteRequestPartition]] = {}
    for name, partition in partitions:
        topics.setdefault(name, []).append(OffsetDeleteRequestPartition(partition_index=partition))
    return OffsetDeleteRequest(
        group_id=group, topics=[OffsetDeleteRequestTopic(name=name, partitions=found) for name, found in topics.items()]
    )


def deleted(codes: Mapping[str, list[tuple[int, int]]]) -> OffsetDeleteResponse:
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                name=name,
                partitions=[OffsetDeleteResponsePartition(partition_index=p, error_code=code) for p, code in answers],
            )
            for name, answers in codes.items()
        ]
    )


def test_offsets_are_deleted() -> None:
    """What was not committed is deleted as well; a topic that is not there comes first."""
    scene = Scene()
    scene.send("commit", committing(("orders", 0, 5), ("orders", 1, 6), ("payments", 0, 7)), 9)

    request = deleting(("orders", 0), ("orders", 9), ("orders", 2), ("nothing", 0), ("payments", 0))
    assert scene.send("delete", request, 0) == [
        Reply("delete", deleted({"orders": [(9, 3), (0, 0), (2, 0)], "nothing": [(0, 3)], "payments": [(0, 0)]}))
    ]
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 1): OffsetAndMetadata(6, "m", 4)}


def test_offsets_of_topics_that_are_consumed_are_not_deleted() -> None:
    """The coordinator looks into the members' subscriptions; where it cannot read them, they consume everything."""
    scene = stable("a", protocols=[("range", subscription(["orders"]))])
    scene.commit("1", "a-1", "a")
    scene.commit("2", "a-1", "a", topic="payments")

    assert scene.send("1", deleting(("orders", 0), ("payments", 0)), 0) == [
        Reply("1", deleted({"orders": [(0, 86)], "payments": [(0, 0)]}))
    ]
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(7)}
    scene = stable("a", protocols=[("range", b"\xff")])
    assert scene.send("2", deleting(("payments", 0)), 0) == [Reply("2", deleted({"payments": [(0, 86)]}))]


def test_groups_whose_offsets_cannot_be_deleted() -> None:
    """No name, no group, members that are no consumers."""
    scene = Scene()
    scene.join("join", "a", protocol_type="connect")

    assert [
        scene.send("delete", deleting(("orders", 0), group=group), 0)[0].response for group in ("", "x", GROUP)
    ] == [
        OffsetDeleteResponse(error_code=24),
        OffsetDeleteResponse(error_code=69),
        OffsetDeleteResponse(error_code=68),
    ]
