"""What became of the topics of assigned partitions: deleted, there again, or replaced by others of the same name."""

from __future__ import annotations

from typing import NamedTuple

from kafkastatic._fetch.positions import Positions
from kafkastatic._protocol import error_codes as codes
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, TopicInfo, TopicPartition


class Changes(NamedTuple):
    """Partitions whose topic was deleted, and those whose topic is another one now, with its description (KIP-516)."""

    vanished: frozenset[TopicPartition]
    recreated: dict[TopicPartition, TopicInfo]


def exists(topic: TopicInfo | None) -> bool:
    """Whether a topic is there, as far as one can tell: one that may not be described does not count as deleted."""
    return topic is not None and bool(topic.partitions or topic.error_code != codes.UNKNOWN_TOPIC_OR_PARTITION)


def observe(positions: Positions, snapshot: ClusterSnapshot) -> Changes:
    """Compare what the positions refer to with the cluster as it is now.

    A partition of a topic that is missing, or was created again with fewer, is marked as gone, and one whose very topic
    is there again is not gone any more: it goes on where it stood. Where topics have no ids, none is missed, and none
    is told from another.
    """
    vanished: set[TopicPartition] = set()
    recreated: dict[TopicPartition, TopicInfo] = {}
    for state in positions:
        topic = snapshot.topics.get(state.tp.topic)
        if state.topic_id == NO_TOPIC_ID:
            state.topic_id = NO_TOPIC_ID if topic is None else topic.topic_id
            continue
        replaced = topic is not None and topic.topic_id not in (state.topic_id, NO_TOPIC_ID)
        if topic is None or not exists(topic) or (replaced and state.tp.partition not in topic.partitions):
            if not state.gone:
                vanished.add(state.tp)
            state.gone = True
        elif replaced:
            recreated[state.tp] = topic
        else:
            state.gone = False
    return Changes(frozenset(vanished), recreated)
