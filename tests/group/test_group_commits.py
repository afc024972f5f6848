"""Offset commits: what they carry, and what their answers mean."""

from __future__ import annotations

import pytest

from kafkastatic._group.commits import NAMES_ONLY, Outcome, Verdict, classify, request
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkastatic.types import Membership, OffsetAndMetadata, TopicPartition
from tests.group.machine import GROUP, INST, MID, O0, O1, O2

WHO = Membership(GROUP, INST, MID, 4)


def answered(**topics: list[int]) -> OffsetCommitResponse:
    """The error codes of each topic's partitions, from 0 on."""
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=name,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=index, error_code=code)
                    for index, code in enumerate(found)
                ],
            )
            for name, found in topics.items()
        ]
    )


def test_a_commit_carries_the_identity_and_the_offsets_by_topic() -> None:
    """Generation, member id and instance id; topics and partitions in order."""
    offsets = {
        O1: OffsetAndMetadata(18),
        TopicPartition("refunds", 0): OffsetAndMetadata(5),
        O0: OffsetAndMetadata(17, "why", 3),
    }

    assert request(WHO, offsets) == OffsetCommitRequest(
        group_id=GROUP,
        generation_id_or_member_epoch=4,
        member_id=MID,
        group_instance_id=INST,
        topics=[
            OffsetCommitRequestTopic(
                name="orders",
                partitions=[
                    OffsetCommitRequestPartition(
                        partition_index=0, committed_offset=17, committed_leader_epoch=3, committed_metadata="why"
                    ),
                    OffsetCommitRequestPartition(
                        partition_index=1, committed_offset=18, committed_leader_epoch=-1, committed_metadata=""
                    ),
                ],
            ),
            OffsetCommitRequestTopic(
                name="refunds",
                partitions=[
                    OffsetCommitRequestPartition(
                        partition_index=0, committed_offset=5, committed_leader_epoch=-1, committed_metadata=""
                    )
                ],
            ),
        ],
    )


def test_a_commit_without_a_member_id_names_no_instance() -> None:
    """The coordinator would take an instance id without a member id for a fenced member's."""
    simple = request(Membership(GROUP, INST, "", 4), {O0: OffsetAndMetadata(17)})

    assert (simple.generation_id_or_member_epoch, simple.member_id, simple.group_instance_id) == (-1, "", None)


@pytest.mark.parametrize("version", range(7, NAMES_ONLY + 1))
def test_a_commit_can_be_said_in_every_version_with_an_instance_id(version: int) -> None:
    """From the first that names the instance to the last that names topics."""
    commit = request(WHO, {O0: OffsetAndMetadata(17, "why", 3)})

    assert OffsetCommitRequest.decode(bytes(commit.encode(version)), version).group_instance_id == INST


def test_a_commit_by_topic_id_is_refused_for_a_topic_that_is_gone() -> None:
    """From version 10 on no name is said, and an id that is not known may be retried until metadata tells why."""
    ids = {"orders": b"o".ljust(16)}
    commit = request(WHO, {O0: OffsetAndMetadata(17)}, ids)
    (topic,) = OffsetCommitRequest.decode(bytes(commit.encode(10)), 10).topics
    entry = OffsetCommitResponsePartition(partition_index=0, error_code=100)
    answer = OffsetCommitResponse(topics=[OffsetCommitResponseTopic(topic_id=ids["orders"], partitions=[entry])])

    assert (topic.name, topic.topic_id) == ("", ids["orders"])
    assert classify(answer, ids) == Outcome(Verdict.RETRY, 100, {O0: 100})


def test_a_commit_that_was_taken_is_done() -> None:
    """All codes are 0."""
    assert classify(answered(orders=[0, 0])) == Outcome(Verdict.DONE)


def test_an_empty_answer_is_done() -> None:
    """Nothing was asked, nothing refused."""
    assert classify(OffsetCommitResponse()) == Outcome(Verdict.DONE)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        pytest.param(82, Verdict.REJECTED, marks=pytest.mark.scenario(15, where="machine")),
        (25, Verdict.REJECTED),
        pytest.param(22, Verdict.REJECTED, marks=pytest.mark.scenario(30, where="machine")),
        (27, Verdict.REJECTED),
        pytest.param(16, Verdict.MOVED, marks=pytest.mark.scenario(27, where="machine")),
        (15, Verdict.MOVED),
        pytest.param(14, Verdict.RETRY, marks=pytest.mark.scenario(27, where="machine")),
        (7, Verdict.RETRY),
        (3, Verdict.REFUSED),
        (100, Verdict.RETRY),
        (12, Verdict.REFUSED),
        (28, Verdict.REFUSED),
        (29, Verdict.REFUSED),
        (30, Verdict.REFUSED),
        (999, Verdict.REFUSED),
    ],
)
def test_each_code_has_its_verdict(code: int, verdict: Verdict) -> None:
    """The member is judged, the coordinator elsewhere or busy, or the offsets are refused."""
    assert classify(answered(orders=[0, code])) == Outcome(verdict, code, {O1: code})


@pytest.mark.parametrize(
    ("codes", "verdict", "decisive"),
    [
        ([12, 82, 14], Verdict.REJECTED, 82),
        ([25, 82, 22], Verdict.REJECTED, 82),
        ([14, 16, 12], Verdict.MOVED, 16),
        ([14, 12, 0], Verdict.REFUSED, 12),
        ([14, 3, 0], Verdict.REFUSED, 3),
    ],
)
def test_the_gravest_code_decides(codes: list[int], verdict: Verdict, decisive: int) -> None:
    """The identity before the coordinator, that before the offsets, those before a mere retry; all are kept."""
    outcome = classify(answered(orders=codes))

    assert (outcome.verdict, outcome.code) == (verdict, decisive)
    assert outcome.refused == {tp: code for tp, code in zip((O0, O1, O2), codes, strict=True) if code}
