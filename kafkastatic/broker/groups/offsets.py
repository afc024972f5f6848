"""OffsetCommit, OffsetFetch, OffsetDelete: where groups stand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kafkastatic._protocol.error_codes import (
    GROUP_ID_NOT_FOUND,
    GROUP_SUBSCRIBED_TO_TOPIC,
    ILLEGAL_GENERATION,
    INVALID_GROUP_ID,
    NON_EMPTY_GROUP,
    NONE,
    OFFSET_METADATA_TOO_LARGE,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    UNKNOWN_TOPIC_ID,
    UNKNOWN_TOPIC_OR_PARTITION,
)
from kafkastatic._protocol.messages import offset_commit as commits
from kafkastatic._protocol.messages import offset_delete as deletes
from kafkastatic._protocol.messages import offset_fetch as fetches
from kafkastatic.broker.groups.consumer import committing
from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.desk import Asked, Desk
from kafkastatic.broker.groups.group import CONSUMER, ClassicGroup, GroupState
from kafkastatic.types import NO_TOPIC_ID, OffsetAndMetadata

MAX_METADATA = 4096
"""Kafka's `offset.metadata.max.bytes`, which counts characters."""
BY_TOPIC_ID = 10
"""From this version on commits and lookups name topics by their ids."""

_NOTHING = OffsetAndMetadata(-1)

Committed = dict[str, dict[int, OffsetAndMetadata]]
"""Offsets by topic and partition."""


class Offsets:
    """The committed offsets of all groups."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._groups: dict[str, Committed] = {}

    def of(self, group_id: str) -> Committed:
        return self._groups.get(group_id, {})

    def forget_group(self, group_id: str) -> None:
        self._groups.pop(group_id, None)

    def forget_topic(self, name: str) -> None:
        for committed in self._groups.values():
            committed.pop(name, None)

    # OffsetCommit

    def commit(self, asked: Asked) -> None:
        request: commits.OffsetCommitRequest = asked.request
        answers = _Answers(by_id=asked.version >= BY_TOPIC_ID)
        known: list[tuple[str, commits.OffsetCommitRequestTopic, commits.OffsetCommitRequestPartition]] = []
        for topic in request.topics:
            name, unknown = self._named(asked.version, topic.name, topic.topic_id)
            for partition in topic.partitions:
                if name is not None and self._desk.catalog.has(name, partition.partition_index):
                    known.append((name, topic, partition))
                else:
                    answers.add(topic, partition, unknown)
        validate = self._validator(asked) if known else None
        for name, topic, partition in known:
            code = validate(name, partition.partition_index) if validate is not None else NONE
            answers.add(topic, partition, code or self._store(request.group_id, name, partition))
        self._desk.reply(asked, commits.OffsetCommitResponse(topics=answers.topics.values()))

    def _named(self, version: int, name: str, topic_id: bytes) -> tuple[str | None, int]:
        """A topic's name, and the code for what is not there."""
        if version < BY_TOPIC_ID:
            return name, UNKNOWN_TOPIC_OR_PARTITION
        found = self._desk.catalog.name(topic_id)
        return found, UNKNOWN_TOPIC_ID if found is None else UNKNOWN_TOPIC_OR_PARTITION

    def _validator(self, asked: Asked) -> Callable[[str, int], int]:
        """What tells the error code for a partition."""
        group = self._desk.consumer_group(asked.request.group_id)
        if group is None:
            code = self._validate(asked)
            return lambda topic, partition: code
        return committing.validator(self._desk, asked, group)

    def _validate(self, asked: Asked) -> int:
        request: commits.OffsetCommitRequest = asked.request
        group = self._desk.classic_group(request.group_id)
        if group is None and request.generation_id_or_member_epoch >= 0:
            return GROUP_ID_NOT_FOUND if asked.version >= 9 and not self._desk.older else ILLEGAL_GENERATION
        if group is None:
            # Not a member's: somebody who uses the group for its offsets only.
            group = self._desk.groups[request.group_id] = ClassicGroup(request.group_id)
        code = _may_commit(group, request)
        if code == NONE and group.state in (GroupState.STABLE, GroupState.PREPARING):
            self._desk.restart_session(group, group.members[request.member_id])
        return code

    def _store(self, group_id: str, topic: str, partition: commits.OffsetCommitRequestPartition) -> int:
        metadata = partition.committed_metadata or ""
        if len(metadata) > MAX_METADATA:
            return OFFSET_METADATA_TOO_LARGE
        offset = OffsetAndMetadata(partition.committed_offset, metadata, partition.committed_leader_epoch)
        self._groups.setdefault(group_id, {}).setdefault(topic, {})[partition.partition_index] = offset
        return NONE

    # OffsetFetch

    def fetch(self, asked: Asked) -> None:
        request: fetches.OffsetFetchRequest = asked.request
        if asked.version >= 8:
            groups = [self._fetch_group(asked.version, group) for group in request.groups]
            self._desk.reply(asked, fetches.OffsetFetchResponse(groups=groups))
            return
        committed = self.of(request.group_id)
        wanted = (
            [(topic, list(committed[topic])) for topic in committed]
            if request.topics is None
            else [(topic.name, topic.partition_indexes) for topic in request.topics]
        )
        topics = [
            fetches.OffsetFetchResponseTopic(
                name=name,
                partitions=_fetched(fetches.OffsetFetchResponsePartition, committed.get(name, {}), partitions),
            )
            for name, partitions in wanted
        ]
        self._desk.reply(asked, fetches.OffsetFetchResponse(topics=topics))

    def _fetch_group(self, version: int, group: fetches.OffsetFetchRequestGroup) -> fetches.OffsetFetchResponseGroup:
        consumers = self._desk.consumer_group(group.group_id)
        code = committing.may_fetch(consumers, group) if consumers is not None else NONE
        if code != NONE:
            return fetches.OffsetFetchResponseGroup(group_id=group.group_id, error_code=code)
        committed = self.of(group.group_id)
        topics: list[fetches.OffsetFetchResponseTopics] = []
        unknown: list[fetches.OffsetFetchResponseTopics] = []
        for name, topic_id, partitions in self._wanted(version, group, committed):
            offsets = {} if name is None else committed.get(name, {})
            code = UNKNOWN_TOPIC_ID if name is None else NONE
            (topics if name is not None else unknown).append(
                fetches.OffsetFetchResponseTopics(
                    name=(name or "") if version < BY_TOPIC_ID else "",
                    topic_id=topic_id,
                    partitions=_fetched(fetches.OffsetFetchResponsePartitions, offsets, partitions, code),
                )
            )
        return fetches.OffsetFetchResponseGroup(group_id=group.group_id, topics=topics + unknown)

    def _wanted(
        self, version: int, group: fetches.OffsetFetchRequestGroup, committed: Committed
    ) -> list[tuple[str | None, bytes, list[int]]]:
        """Name, id and partitions of the topics asked for, all those with offsets if none are named."""
        catalog = self._desk.catalog
        if group.topics is not None:
            if version < BY_TOPIC_ID:
                return [(topic.name, NO_TOPIC_ID, topic.partition_indexes) for topic in group.topics]
            return [(catalog.name(topic.topic_id), topic.topic_id, topic.partition_indexes) for topic in group.topics]
        if version < BY_TOPIC_ID:
            return [(name, NO_TOPIC_ID, list(offsets)) for name, offsets in committed.items()]
        ids = {name: catalog.topic_id(name) for name in committed}
        return [(name, topic_id, list(committed[name])) for name, topic_id in ids.items() if topic_id is not None]

    # OffsetDelete

    def delete(self, asked: Asked) -> None:
        request: deletes.OffsetDeleteRequest = asked.request
        group = self._desk.groups.get(request.group_id)
        if not request.group_id or group is None:
            code = GROUP_ID_NOT_FOUND if request.group_id else INVALID_GROUP_ID
            self._desk.reply(asked, deletes.OffsetDeleteResponse(error_code=code))
        elif (
            isinstance(group, ClassicGroup) and group.state is not GroupState.EMPTY and group.protocol_type != CONSUMER
        ):
            self._desk.reply(asked, deletes.OffsetDeleteResponse(error_code=NON_EMPTY_GROUP))
        else:
            self._desk.reply(asked, deletes.OffsetDeleteResponse(topics=self._delete(group, request)))
            if self._desk.older and group.state is GroupState.EMPTY and not self.of(group.group_id):
                del self._desk.groups[group.group_id]  # 3.9 forgets an empty group with its last offset

    def _delete(
        self, group: ClassicGroup | ConsumerGroup, request: deletes.OffsetDeleteRequest
    ) -> Iterable[deletes.OffsetDeleteResponseTopic]:
        topics: dict[str, deletes.OffsetDeleteResponseTopic] = {}
        asked_for = [(topic.name, p.partition_index) for topic in request.topics for p in topic.partitions]
        # As with commits, what is not there comes first.
        for name, index in sorted(asked_for, key=lambda place: self._desk.catalog.has(*place)):
            topic = topics.setdefault(name, deletes.OffsetDeleteResponseTopic(name=name))
            code = self._delete_one(group.group_id, name, index, group.consumes(name))
            topic.partitions.append(deletes.OffsetDeleteResponsePartition(partition_index=index, error_code=code))
        return topics.values()

    def _delete_one(self, group_id: str, topic: str, partition: int, consumed: bool) -> int:
        if not self._desk.catalog.has(topic, partition):
            return UNKNOWN_TOPIC_OR_PARTITION
        if consumed:
            return GROUP_SUBSCRIBED_TO_TOPIC
        committed = self.of(group_id)
        offsets = committed.get(topic, {})
        offsets.pop(partition, None)
        if not offsets:
            committed.pop(topic, None)
        return NONE


class _Answers:
    """What is said of each partition of a commit. As in Kafka, what is not there comes first."""

    def __init__(self, *, by_id: bool) -> None:
        self._by_id = by_id
        self.topics: dict[str | bytes, commits.OffsetCommitResponseTopic] = {}

    def add(
        self, topic: commits.OffsetCommitRequestTopic, partition: commits.OffsetCommitRequestPartition, code: int
    ) -> None:
        key = topic.topic_id if self._by_id else topic.name
        if key not in self.topics:
            name, topic_id = ("", topic.topic_id) if self._by_id else (topic.name, NO_TOPIC_ID)
            self.topics[key] = commits.OffsetCommitResponseTopic(name=name, topic_id=topic_id)
        self.topics[key].partitions.append(
            commits.OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
        )


def _may_commit(group: ClassicGroup, request: commits.OffsetCommitRequest) -> int:
    generation, member_id, instance_id = (
        request.generation_id_or_member_epoch,
        request.member_id,
        request.group_instance_id,
    )
    if generation < 0 and group.state is GroupState.EMPTY:
        return NONE
    if generation < 0 and not member_id and instance_id is None:
        return UNKNOWN_MEMBER_ID
    code = group.validate(member_id, instance_id)
    if code != NONE:
        return code
    if generation != group.generation:
        return ILLEGAL_GENERATION
    # Who has heard of the generation but not of its assignment has nothing to commit yet.
    return REBALANCE_IN_PROGRESS if group.state is GroupState.COMPLETING else NONE


def _fetched(
    partition: Callable[..., Any], offsets: dict[int, OffsetAndMetadata], indexes: Iterable[int], code: int = NONE
) -> list[Any]:
    return [
        partition(
            partition_index=index,
            committed_offset=found.offset,
            committed_leader_epoch=found.leader_epoch,
            metadata=found.metadata,
            error_code=code,
        )
        for index in indexes
        for found in [offsets.get(index, _NOTHING)]
    ]
