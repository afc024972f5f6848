"""What the coordinator wants a member to own: by topic id as it says it, by name as the rest of the client speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic._group.kip848.heartbeat import Owned
from kafkastatic._value import Value
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, TopicPartition


class Target(Value):
    """An assignment in names.

    Attributes:
        owned: the partitions whose topics' names are known.
        unknown: the ids of the other topics.
    """

    owned: Owned
    unknown: frozenset[bytes] = frozenset()


def resolve(assignment: Mapping[bytes, Sequence[int]], snapshot: ClusterSnapshot, owned: Owned) -> Target:
    """Name the topics of an assignment. Those of partitions that are owned keep the names that they are owned by."""
    names = {topic.topic_id: topic.name for topic in snapshot.topics.values() if topic.topic_id != NO_TOPIC_ID}
    names |= {topic_id: tp.topic for tp, topic_id in owned.items()}
    return Target(
        {
            TopicPartition(names[topic_id], partition): topic_id
            for topic_id, partitions in assignment.items()
            if topic_id in names
            for partition in partitions
        },
        frozenset(assignment.keys() - names.keys()),
    )
