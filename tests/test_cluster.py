"""Snapshots of the cluster: topics that are missing, come back under another id, or match a pattern."""

from __future__ import annotations

import re

import pytest

from kafkastatic._cluster import matching, merge, missing
from kafkastatic._protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, PartitionInfo

OLD, NEW = b"old".ljust(16), b"new".ljust(16)
UNKNOWN, LOADING = 3, 5


def answer(*topics: MetadataResponseTopic) -> MetadataResponse:
    return MetadataResponse(topics=topics)


def topic(
    name: str,
    topic_id: bytes = NO_TOPIC_ID,
    *,
    partitions: int = 1,
    code: int = 0,
    internal: bool = False,
    epoch: int = 0,
) -> MetadataResponseTopic:
    entries = [MetadataResponsePartition(partition_index=p, leader_id=1, leader_epoch=epoch) for p in range(partitions)]
    return MetadataResponseTopic(
        error_code=code, name=name, topic_id=topic_id, is_internal=internal, partitions=() if code else entries
    )


def seen(*answers: MetadataResponse) -> ClusterSnapshot:
    snapshot = ClusterSnapshot()
    for one in answers:
        snapshot = merge(snapshot, one)
    return snapshot


def test_a_missing_topic_keeps_its_id() -> None:
    """So that it is known when it, or another one of its name, is there again."""
    found = seen(answer(topic("a", OLD)), answer(topic("a", code=UNKNOWN))).topics["a"]

    assert (found.topic_id, found.partitions, found.error_code, found.former) == (OLD, {}, UNKNOWN, frozenset())


@pytest.mark.parametrize("between", [[], [topic("a", code=UNKNOWN)], [topic("a", OLD, code=LOADING)]])
def test_a_topic_created_again_knows_those_before_it(between: list[MetadataResponseTopic]) -> None:
    """Seen missing in between or not; the leader epochs of the old one are of no account."""
    found = seen(
        answer(topic("a", OLD, epoch=9)), *(answer(one) for one in between), answer(topic("a", NEW, epoch=0))
    ).topics["a"]

    assert (found.topic_id, found.former, found.partitions[0].leader_epoch) == (NEW, {OLD}, 0)


def test_a_broker_that_is_behind_is_not_believed() -> None:
    """A topic id that was replaced never comes back."""
    now = seen(answer(topic("a", OLD)), answer(topic("a", NEW, partitions=2)))

    assert merge(now, answer(topic("a", OLD))).topics == now.topics


def test_what_an_answer_about_all_topics_does_not_name_is_missing() -> None:
    """Those that somebody waits for are kept as missing, known before or not; the others are forgotten."""
    before = seen(answer(topic("a", OLD), topic("b"), topic("c")))

    after = merge(before, answer(topic("c")), missing=["a", "d"])

    assert {name: (t.topic_id, t.error_code) for name, t in after.topics.items()} == {
        "a": (OLD, UNKNOWN),
        "c": (NO_TOPIC_ID, 0),
        "d": (NO_TOPIC_ID, UNKNOWN),
    }
    assert missing(after, ["a", "c", "e"]) == {"a": UNKNOWN, "e": -1}


def test_a_pattern_matches_whole_names_of_topics_that_are_there() -> None:
    """Neither parts of names, nor missing topics, nor Kafka's own unless asked for."""
    names = [topic("orders-1"), topic("orders-22"), topic("old-orders-1"), topic("orders-3", code=UNKNOWN)]
    snapshot = seen(answer(*names, topic("orders-4", internal=True)))

    assert matching(snapshot, re.compile("orders-."), internal=False) == {"orders-1"}
    assert matching(snapshot, re.compile("orders-.*"), internal=True) == {"orders-1", "orders-22", "orders-4"}


def test_leader_epochs_of_old_answers_are_not_believed() -> None:
    """Below version 9 of Metadata a broker may tell of an older epoch than is in force (KAFKA-9212)."""
    known = merge(ClusterSnapshot(), answer(topic("a", OLD, epoch=9)))

    found = merge(known, answer(topic("a", OLD, epoch=5)), epochs=False).topics["a"].partitions[0]

    assert found == PartitionInfo(0, 1, -1)
