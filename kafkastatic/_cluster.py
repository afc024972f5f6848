"""Metadata answers to cluster snapshots, and what changed between two of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from kafkastatic.types import NO_TOPIC_ID, Broker, ClusterSnapshot, PartitionInfo, TopicInfo, TopicPartition

RELIABLE_EPOCHS = 9
"""The first version whose leader epochs are to be believed (KAFKA-9212)."""


def request(topics: Iterable[str] | None, *, allow_auto_create: bool) -> MetadataRequest:
    """Ask for these topics, none of them, or (`None`) all that there are."""
    wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in sorted(topics)]
    return MetadataRequest(topics=wanted, allow_auto_topic_creation=allow_auto_create)


def request_by_id(topic_ids: Iterable[bytes]) -> MetadataRequest:
    """Ask for the topics with these ids, whatever their names (KIP-516)."""
    wanted = [MetadataRequestTopic(topic_id=topic_id, name=None) for topic_id in sorted(topic_ids)]
    return MetadataRequest(topics=wanted, allow_auto_topic_creation=False)


def merge(
    old: ClusterSnapshot, answer: MetadataResponse, missing: Iterable[str] | None = None, *, epochs: bool = True
) -> ClusterSnapshot:
    """The snapshot after an answer.

    Topics that the answer does not name keep their entry. A topic in a passing error keeps its old partitions; a
    partition whose answer has an older leader epoch than the one known keeps its known leader (KIP-320). A broker that
    is behind, and answers with a topic that was replaced by another of its name, is not believed. Of another cluster,
    that the bootstrap servers lead to by now, nothing was known.

    Args:
        missing: the answer names all topics that there are, and not these.
        epochs: its leader epochs are to be believed; they count as unknown otherwise.
    """
    if old.cluster_id and answer.cluster_id and old.cluster_id != answer.cluster_id:
        old = ClusterSnapshot()
    topics = dict(old.topics)
    if missing is not None:
        topics = {
            name: _gone(old.topics.get(name) or TopicInfo(name, NO_TOPIC_ID, {}), codes.UNKNOWN_TOPIC_OR_PARTITION)
            for name in missing
        }
    for topic in answer.topics:
        if topic.name is not None:
            topics[topic.name] = _topic(topic, old.topics.get(topic.name), epochs=epochs)
    return ClusterSnapshot(
        cluster_id=answer.cluster_id or old.cluster_id,
        brokers={b.node_id: Broker(b.node_id, b.host, b.port, b.rack) for b in answer.brokers},
        topics=topics,
    )


def _topic(topic: MetadataResponseTopic, old: TopicInfo | None, *, epochs: bool) -> TopicInfo:
    assert topic.name is not None
    if old is not None and topic.topic_id in old.former:
        return old
    if topic.error_code != codes.NONE:
        gone = topic.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION or not is_retriable(topic.error_code)
        if old is not None and not gone:
            return old.evolve(error_code=topic.error_code)
        return _gone(old or TopicInfo(topic.name, topic.topic_id, {}), topic.error_code)
    same = old is not None and old.topic_id == topic.topic_id
    former: frozenset[bytes] = old.former if old is not None else frozenset()
    if old is not None and not same and NO_TOPIC_ID not in (old.topic_id, topic.topic_id):
        former |= {old.topic_id}
    partitions: dict[int, PartitionInfo] = {}
    for entry in topic.partitions:
        index = entry.partition_index
        replicas = tuple(node for node in entry.replica_nodes if node not in entry.offline_replicas)
        epoch = entry.leader_epoch if epochs else -1
        info = PartitionInfo(index, entry.leader_id, epoch, entry.error_code, replicas)
        known = old.partitions.get(index) if old is not None and same else None
        partitions[index] = known if known and known.leader_epoch > info.leader_epoch >= 0 else info
    return TopicInfo(topic.name, topic.topic_id, partitions, codes.NONE, topic.is_internal, former)


def _gone(topic: TopicInfo, code: int) -> TopicInfo:
    return topic.evolve(partitions={}, error_code=code)


def matching(snapshot: ClusterSnapshot, pattern: re.Pattern[str], *, internal: bool) -> frozenset[str]:
    """The topics that exist and whose whole name matches.

    Args:
        internal: Kafka's own topics may match too.
    """
    return frozenset(
        name
        for name, topic in snapshot.topics.items()
        if topic.partitions and (internal or not topic.is_internal) and pattern.fullmatch(name)
    )


def led_by(
    old: ClusterSnapshot, leaders: Mapping[TopicPartition, tuple[int, int]], brokers: Iterable[Broker]
) -> ClusterSnapshot:
    """The snapshot after news of leaders, each with its epoch, that came along with another answer (KIP-951).

    Only what is newer than what is known counts, and only a leader whose address is known.
    """
    told = {broker.node_id: broker for broker in brokers}
    nodes, topics = dict(old.brokers), dict[str, dict[int, PartitionInfo]]()
    for (name, index), (leader, epoch) in leaders.items():
        info = old.topics[name].partitions.get(index) if name in old.topics else None
        broker = told.get(leader, nodes.get(leader))
        if info is None or epoch <= info.leader_epoch or broker is None:
            continue
        nodes[leader] = broker
        partitions = topics.get(name) or topics.setdefault(name, dict(old.topics[name].partitions))
        partitions[index] = info._replace(leader=leader, leader_epoch=epoch, error_code=codes.NONE)
    evolved = {name: old.topics[name].evolve(partitions=partitions) for name, partitions in topics.items()}
    return old.evolve(brokers=nodes, topics={**old.topics, **evolved}) if evolved else old


def missing(snapshot: ClusterSnapshot, topics: Iterable[str]) -> dict[str, int]:
    """The topics that cannot be used as the snapshot stands, with their error code (-1: not asked for yet)."""
    found: dict[str, int] = {}
    for name in topics:
        topic = snapshot.topics.get(name)
        if topic is None:
            found[name] = -1
        elif topic.error_code != codes.NONE and not topic.partitions:
            found[name] = topic.error_code
    return found
