"""Who may commit the offsets of a consumer group, and who may look them up. Pure."""

from __future__ import annotations

from collections.abc import Callable

from kafkastatic._protocol.error_codes import (
    ILLEGAL_GENERATION,
    NONE,
    STALE_MEMBER_EPOCH,
    UNKNOWN_MEMBER_ID,
    UNKNOWN_SERVER_ERROR,
    UNSUPPORTED_VERSION,
)
from kafkastatic._protocol.messages.offset_commit import OffsetCommitRequest
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequestGroup
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, ConsumerMember
from kafkastatic.broker.groups.desk import Asked, Desk

MEMBER_EPOCHS_SINCE = 9
"""The first version of OffsetCommit that members of consumer groups may use."""


def validator(desk: Desk, asked: Asked, group: ConsumerGroup) -> Callable[[str, int], int]:
    """What tells the error code for a partition. The instance id is not looked at.

    An epoch that is over is good for what its member has held since then, which counts from 4.3 on.
    """
    request: OffsetCommitRequest = asked.request
    epoch = request.generation_id_or_member_epoch
    member = group.members.get(request.member_id)
    if epoch < 0 and not group.members:
        return _always(NONE)
    if member is None:
        return _always(UNKNOWN_MEMBER_ID)
    if member.classic is None and asked.version < MEMBER_EPOCHS_SINCE:
        return _always(UNSUPPORTED_VERSION)
    if epoch == member.epoch:
        return _always(NONE)
    if epoch > member.epoch or desk.early:
        return _always(_stale(member))
    return lambda topic, partition: _held_since(desk, member, topic, partition, epoch)


def _held_since(desk: Desk, member: ConsumerMember, topic: str, partition: int, epoch: int) -> int:
    topic_id = desk.catalog.topic_id(topic)
    since = None if topic_id is None else member.holds_since((topic_id, partition))
    return NONE if since is not None and epoch >= since else _stale(member)


def may_fetch(group: ConsumerGroup, asked: OffsetFetchRequestGroup) -> int:
    """Unlike in a classic group, a member that is none any more is told so."""
    if asked.member_id is None:
        return NONE if asked.member_epoch < 0 else UNKNOWN_SERVER_ERROR
    member = group.members.get(asked.member_id)
    if member is None:
        return UNKNOWN_MEMBER_ID
    return NONE if asked.member_epoch == member.epoch else _stale(member)


def _stale(member: ConsumerMember) -> int:
    return ILLEGAL_GENERATION if member.classic is not None else STALE_MEMBER_EPOCH


def _always(code: int) -> Callable[[str, int], int]:
    return lambda topic, partition: code
