"""ConsumerGroupDescribe. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kafkastatic._protocol.error_codes import (
    GROUP_ID_NOT_FOUND,
    INVALID_GROUP_ID,
    UNKNOWN_SERVER_ERROR,
    UNSUPPORTED_VERSION,
)
from kafkastatic._protocol.messages import consumer_group_describe as messages
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, ConsumerMember, Place
from kafkastatic.broker.groups.desk import Asked, Desk


def describe(desk: Desk, asked: Asked) -> None:
    request: messages.ConsumerGroupDescribeRequest = asked.request
    described = [_described(desk, group_id) for group_id in request.group_ids]
    if request.include_authorized_operations:
        for group in described:
            if not group.error_code:
                group.authorized_operations = desk.group_operations
    desk.reply(asked, messages.ConsumerGroupDescribeResponse(groups=described))


def _described(desk: Desk, group_id: str) -> messages.DescribedGroup:
    if not desk.serves_consumer_groups:
        return messages.DescribedGroup(group_id=group_id, error_code=UNSUPPORTED_VERSION)
    if not group_id:
        return messages.DescribedGroup(error_code=UNKNOWN_SERVER_ERROR if desk.early else INVALID_GROUP_ID)
    group = desk.groups.get(group_id)
    if not isinstance(group, ConsumerGroup):
        reason = f"Group {group_id} not found." if group is None else f"Group {group_id} is not a consumer group."
        return messages.DescribedGroup(
            group_id=group_id, error_code=GROUP_ID_NOT_FOUND, error_message=None if desk.early else reason
        )
    return messages.DescribedGroup(
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=group.preferred_assignor() or desk.assignors[0],
        members=[_member(desk, group, member) for member in group.members.values()],
    )


def _member(desk: Desk, group: ConsumerGroup, member: ConsumerMember) -> messages.Member:
    # What a member is to give up is its own until it has.
    held = member.assigned if desk.early else (*member.assigned, *member.revoking)
    return messages.Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.host,
        subscribed_topic_names=sorted(member.topics),
        subscribed_topic_regex=member.regex,
        assignment=_assignment(desk, held),
        target_assignment=_assignment(desk, group.target.get(member.member_id, frozenset())),
        member_type=1 if member.classic is None else 0,
    )


def _assignment(desk: Desk, places: Iterable[Place]) -> messages.Assignment:
    topics: dict[bytes, messages.TopicPartitions] = {}
    for topic_id, number in sorted(places):
        name = desk.catalog.name(topic_id)
        if name is not None:
            entry = topics.setdefault(topic_id, messages.TopicPartitions(topic_id=topic_id, topic_name=name))
            entry.partitions.append(number)
    return messages.Assignment(topic_partitions=topics.values())
