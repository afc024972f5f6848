"""ConsumerGroupHeartbeat: the one request of a KIP-848 member. It joins, stays, acknowledges and leaves by it.

Each carries the instance id. One that left it out would be answered with UNKNOWN_MEMBER_ID instead of
FENCED_INSTANCE_ID once the member is replaced, and nobody could tell a removal from a rival (KIP-345).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafkastatic._group.settings import ConsumerSettings
from kafkastatic._protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from kafkastatic._value import Value
from kafkastatic.types import Membership, TopicPartition

API = ConsumerGroupHeartbeatRequest.NAME

JOIN = 0
LEAVE = -1
LEAVE_FOR_NOW = -2
"""Member epochs that say more than the member's epoch. A static member that leaves for now keeps its place."""

Owned = Mapping[TopicPartition, bytes]
"""Partitions by name, with the ids of their topics."""


class Wanted(Value):
    """A subscription: topics by name, or a pattern that the coordinator matches (version 1)."""

    topics: tuple[str, ...] = ()
    regex: str | None = None


class Told(Value):
    """What a member has to tell the coordinator, and need not repeat while it is the same."""

    wanted: Wanted | None = None
    owned: tuple[tuple[bytes, tuple[int, ...]], ...] | None = None

    @classmethod
    def of(cls, wanted: Wanted, owned: Owned) -> Told:
        by_id: dict[bytes, list[int]] = {}
        for tp, topic_id in owned.items():
            by_id.setdefault(topic_id, []).append(tp.partition)
        return cls(wanted, tuple((topic_id, tuple(sorted(by_id[topic_id]))) for topic_id in sorted(by_id)))


def full(who: Membership, epoch: int, told: Told, settings: ConsumerSettings) -> ConsumerGroupHeartbeatRequest:
    """Everything, as a coordinator has to hear it that may know nothing: to join, and after an error."""
    wanted = told.wanted or Wanted()
    return _request(
        who,
        epoch,
        rack_id=settings.rack,
        rebalance_timeout_ms=round(settings.rebalance_timeout * 1000),
        subscribed_topic_names=wanted.topics,
        subscribed_topic_regex=wanted.regex,
        server_assignor=settings.assignor,
        topic_partitions=_partitions(told),
    )


def brief(who: Membership, told: Told, before: Told) -> ConsumerGroupHeartbeatRequest:
    """What has changed since `before`: the coordinator takes null for unchanged."""
    wanted, was = told.wanted or Wanted(), before.wanted or Wanted()
    return _request(
        who,
        who.epoch,
        subscribed_topic_names=None if wanted.topics == was.topics else wanted.topics,
        # An empty pattern takes back the one that was sent.
        subscribed_topic_regex=None if wanted.regex == was.regex else wanted.regex or "",
        topic_partitions=None if told.owned == before.owned else _partitions(told),
    )


def leave(who: Membership, epoch: int) -> ConsumerGroupHeartbeatRequest:
    """Leave, by member id: whoever else holds the instance id by now is not touched.

    Args:
        epoch: `LEAVE` or `LEAVE_FOR_NOW`.
    """
    return _request(who, epoch)


def assignment(response: ConsumerGroupHeartbeatResponse) -> dict[bytes, list[int]] | None:
    """What the member is to own, by topic id; `None` for what it was told before."""
    if response.assignment is None:
        return None
    return {topic.topic_id: topic.partitions for topic in response.assignment.topic_partitions}


def _request(who: Membership, epoch: int, **fields: Any) -> ConsumerGroupHeartbeatRequest:
    return ConsumerGroupHeartbeatRequest(
        group_id=who.group, member_id=who.member_id, member_epoch=epoch, instance_id=who.instance_id, **fields
    )


def _partitions(told: Told) -> list[ConsumerGroupHeartbeatRequestTopicPartitions]:
    return [
        ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=topic_id, partitions=partitions)
        for topic_id, partitions in told.owned or ()
    ]
