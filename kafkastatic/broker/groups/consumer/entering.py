"""What holds for whoever comes into a consumer group, by either protocol. Pure."""

from __future__ import annotations

import attrs

from kafkastatic._protocol.error_codes import GROUP_MAX_SIZE_REACHED
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, ConsumerMember, Refused
from kafkastatic.broker.groups.desk import Desk


def check_room(desk: Desk, group: ConsumerGroup, member_id: str, instance_id: str | None) -> None:
    """Raises Refused: if the group is full, and this is none of its members."""
    # Until 4.3 a static member that comes back under another member id was turned away as well (KAFKA-20601).
    if not desk.early and group.owner(instance_id) is not None:
        return
    limit = desk.settings.group_consumer_max_size
    if len(group.members) >= limit and member_id not in group.members:
        raise Refused(GROUP_MAX_SIZE_REACHED, f"The consumer group has reached its maximum capacity of {limit}.")


def successor(owner: ConsumerMember, member_id: str) -> ConsumerMember:
    """A static member as its next process finds it."""
    return attrs.evolve(owner, member_id=member_id, epoch=0, previous_epoch=0)


def succeed(desk: Desk, group: ConsumerGroup, predecessor: ConsumerMember | None, member: ConsumerMember) -> None:
    """Let a member take the place of the one before it, if there is one."""
    if predecessor is None:
        return
    if predecessor.member_id != member.member_id:
        desk.end_timers(group.group_id, predecessor.member_id)
    group.replace(predecessor, member)
