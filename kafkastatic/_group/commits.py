"""Offset commits: the request, stamped with the identity, and what its answer means. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from kafkastatic._value import Value
from kafkastatic.types import NO_TOPIC_ID, Membership, OffsetAndMetadata, TopicPartition

NAMES_ONLY = 9
"""The last version that names topics; later ones take topic ids only, and refuse those of topics that are gone."""

IDENTITY = frozenset(
    {codes.FENCED_INSTANCE_ID, codes.UNKNOWN_MEMBER_ID, codes.ILLEGAL_GENERATION, codes.REBALANCE_IN_PROGRESS}
)
"""Codes that judge the member, not the offsets."""


EPOCH = frozenset({codes.STALE_MEMBER_EPOCH})
"""Codes that judge the epoch: another member epoch of the same member would do (KIP-848)."""


class Verdict(enum.Enum):
    DONE = "done"
    RETRY = "retry"  # the same request may succeed after a backoff
    MOVED = "moved"  # so it may, at another coordinator
    STALE = "stale"  # so they may, under the epoch that the next heartbeat brings
    REJECTED = "rejected"  # the member is not, or not now, what the coordinator knows
    REFUSED = "refused"  # these offsets will never be accepted


class Outcome(Value):
    """What became of a commit.

    Attributes:
        code: the error code that decided, 0 when done.
        refused: the code of each partition that was not committed.
    """

    verdict: Verdict
    code: int = codes.NONE
    refused: Mapping[TopicPartition, int] = MappingProxyType({})


def request(
    who: Membership, offsets: Mapping[TopicPartition, OffsetAndMetadata], topic_ids: Mapping[str, bytes] | None = None
) -> OffsetCommitRequest:
    """A commit of `who`. Without a member id it is a simple one, which must not name the instance id either:
    the coordinator would take it for a fenced member's.

    Args:
        topic_ids: the ids of all topics; without them no version above `NAMES_ONLY` can say it.
    """
    ids = topic_ids or {}
    topics: dict[str, OffsetCommitRequestTopic] = {}
    for tp, offset in sorted(offsets.items()):
        topic = topics.setdefault(tp[0], OffsetCommitRequestTopic(name=tp[0], topic_id=ids.get(tp[0], NO_TOPIC_ID)))
        topic.partitions.append(
            OffsetCommitRequestPartition(
                partition_index=tp[1],
                committed_offset=offset.offset,
                committed_leader_epoch=offset.leader_epoch,
                committed_metadata=offset.metadata,
            )
        )
    return OffsetCommitRequest(
        group_id=who.group,
        generation_id_or_member_epoch=who.epoch if who.member_id else -1,
        member_id=who.member_id,
        group_instance_id=who.instance_id if who.member_id else None,
        topics=list(topics.values()),
    )


def classify(answer: OffsetCommitResponse, topic_ids: Mapping[str, bytes] | None = None) -> Outcome:
    """The gravest of the answer's codes decides, in the order of `Verdict` from the end; identity before offsets."""
    names = {topic_id: name for name, topic_id in (topic_ids or {}).items()}
    refused = {
        TopicPartition(topic.name or names.get(topic.topic_id, ""), partition.partition_index): partition.error_code
        for topic in answer.topics
        for partition in topic.partitions
        if partition.error_code != codes.NONE
    }
    found = set(refused.values())
    if not found:
        return Outcome(Verdict.DONE)
    ranked = (
        (Verdict.REJECTED, found & IDENTITY),
        (Verdict.STALE, found & EPOCH),
        (Verdict.MOVED, found & {codes.NOT_COORDINATOR, codes.COORDINATOR_NOT_AVAILABLE}),
        (Verdict.REFUSED, {code for code in found if not is_retriable(code)}),
        (Verdict.REFUSED, found & {codes.UNKNOWN_TOPIC_OR_PARTITION}),
        (Verdict.RETRY, found),
    )
    verdict, decisive = next((verdict, some) for verdict, some in ranked if some)
    return Outcome(verdict, min(decisive, key=lambda code: code != codes.FENCED_INSTANCE_ID), refused)
