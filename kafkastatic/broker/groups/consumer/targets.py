"""The target assignment: what calls for another one, and what it is. Pure."""

from __future__ import annotations

from kafkastatic.broker.groups.consumer.assignors import ASSIGNORS, Subscriber, Wanted
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, ConsumerMember, Place
from kafkastatic.broker.groups.desk import Desk


def bump_if_changed(desk: Desk, group: ConsumerGroup, *, resubscribed: bool) -> None:
    """Another group epoch if a member wants other topics, or the topics are not what they were."""
    metadata = look_up(desk, group)
    if resubscribed or metadata != group.metadata:
        group.epoch += 1
        group.metadata = metadata


def look_up(desk: Desk, group: ConsumerGroup) -> dict[str, tuple[bytes, int]]:
    """The topics subscribed to that there are: id, and number of partitions."""
    found: dict[str, tuple[bytes, int]] = {}
    for name in sorted(group.subscribed()):
        topic_id = desk.catalog.topic_id(name)
        if topic_id is not None:
            found[name] = (topic_id, desk.catalog.partitions(name))
    return found


def update_target(desk: Desk, group: ConsumerGroup) -> None:
    """Compute the target of the group's epoch, unless it is there, or the last one is younger than the interval."""
    if group.target_epoch >= group.epoch or not _may_compute(desk, group):
        return
    name = group.preferred_assignor() or desk.assignors[0]
    topics = look_up(desk, group)
    wanted = Wanted(
        [_subscriber(group, member, topics) for member in group.in_hash_order()],
        dict(topics.values()),
        group.homogeneous(),
        early=desk.early,
    )
    targets = ASSIGNORS[name](wanted)
    group.target = {member_id: targets.get(member_id, frozenset[Place]()) for member_id in group.members}
    group.target_epoch = group.epoch
    group.target_at = desk.now


def _may_compute(desk: Desk, group: ConsumerGroup) -> bool:
    interval = desk.settings.group_consumer_assignment_interval_ms
    return desk.early or group.target_at is None or desk.now >= group.target_at + interval / 1000


def _subscriber(group: ConsumerGroup, member: ConsumerMember, topics: dict[str, tuple[bytes, int]]) -> Subscriber:
    wants = group.topics_of(member)
    return Subscriber(
        member.member_id,
        member.instance_id,
        tuple(topic_id for name, (topic_id, _) in topics.items() if name in wants),
        group.target.get(member.member_id, frozenset[Place]()),
    )
