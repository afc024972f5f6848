"""Lookups of committed offsets: the request by names or by topic ids, and what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from kafkastatic.errors import KafkaError
from kafkastatic.types import NO_TOPIC_ID, Membership, OffsetAndMetadata, TopicPartition, by_topic

ONE_GROUP = 7
"""The last version that asks for one group only."""

NAMES_ONLY = 9
"""The last version that names topics, and the first one that a member of a consumer group can ask under its epoch."""

BY_ID = 10
"""The first version that takes topic ids. Such an answer never holds a commit to an earlier topic of the same name,
which the coordinator forgets some time after the topic was deleted (seen on 4.4)."""


STABLE = 7
"""From this version on a coordinator can be asked to wait for the offsets of open transactions (KIP-447)."""


class Found(NamedTuple):
    """What an answer says.

    Attributes:
        offsets: the committed offset of each partition that was answered, `None` where there is none.
        unknown: partitions whose topic the coordinator does not know by its id.
        refused: the error of each partition that was refused for good, by itself.
        code: what else went wrong, 0 if nothing.
        by_id: the offsets are sure to be of the topics with the ids that we know.
    """

    offsets: dict[TopicPartition, OffsetAndMetadata | None]
    unknown: frozenset[TopicPartition] = frozenset()
    refused: Mapping[TopicPartition, KafkaError] = MappingProxyType({})
    code: int = codes.NONE
    by_id: bool = False


def request(
    group: str,
    partitions: Collection[TopicPartition],
    topic_ids: Mapping[str, bytes] | None,
    *,
    member: Membership | None = None,
    stable: bool = False,
) -> OffsetFetchRequest:
    """Ask for the committed offsets of some partitions, by topic id where the ids of all topics are given.

    Args:
        member: who asks, in a group of the consumer protocol (KIP-848): one that was fenced is refused. Others have to
            ask as nobody.
        stable: answer with UNSTABLE_OFFSET_COMMIT while a transaction that commits offsets of them is open (KIP-447):
            whoever takes a partition over from a transactional application would read its records twice.
    """
    topics = by_topic(partitions)
    if topic_ids is None and member is None:
        named = [OffsetFetchRequestTopic(name=name, partition_indexes=found) for name, found in topics.items()]
        return OffsetFetchRequest(group_id=group, topics=named, require_stable=stable)
    ids = topic_ids or {}
    both = [
        OffsetFetchRequestTopics(name=name, topic_id=ids.get(name, NO_TOPIC_ID), partition_indexes=found)
        for name, found in topics.items()
    ]
    asked = OffsetFetchRequestGroup(group_id=group, topics=both)
    if member is not None:
        asked.member_id, asked.member_epoch = member.member_id, member.epoch
    return OffsetFetchRequest(groups=[asked], require_stable=stable)


def parse(answer: OffsetFetchResponse, topic_ids: Mapping[str, bytes] | None) -> Found:
    """What an answer says, whatever its version."""
    names = {topic_id: name for name, topic_id in (topic_ids or {}).items()}
    offsets: dict[TopicPartition, OffsetAndMetadata | None] = {}
    unknown: set[TopicPartition] = set()
    refused: dict[TopicPartition, KafkaError] = {}
    failed = next((group.error_code for group in answer.groups if group.error_code), answer.error_code)
    entries = [(topic.name, topic.partitions) for topic in answer.topics]
    by_group = [
        (topic.name or names.get(topic.topic_id, ""), topic.partitions)
        for group in answer.groups
        for topic in group.topics
    ]
    for name, partitions in (*entries, *by_group):
        for entry in partitions:
            tp = TopicPartition(name, entry.partition_index)
            if entry.error_code == codes.UNKNOWN_TOPIC_ID:
                unknown.add(tp)
                continue
            if entry.error_code != codes.NONE:
                if is_retriable(entry.error_code):
                    failed = failed or entry.error_code
                else:
                    refused[tp] = error_for(entry.error_code, api="OffsetFetch", topic=name, partition=tp.partition)
                continue
            value = OffsetAndMetadata(entry.committed_offset, entry.metadata or "", entry.committed_leader_epoch)
            offsets[tp] = value if value.offset >= 0 else None
    by_id = any(topic.topic_id != NO_TOPIC_ID for group in answer.groups for topic in group.topics)
    return Found(offsets, frozenset(unknown), refused, failed, by_id)
