"""How members of a consumer group come to an end: they leave, are removed, or are not heard any more. Pure."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from kafkastatic.broker.groups.consumer import migrating
from kafkastatic.broker.groups.consumer.group import AWAY, ConsumerGroup, ConsumerMember, MemberState
from kafkastatic.broker.groups.consumer.targets import look_up
from kafkastatic.broker.groups.desk import Desk, Timer


def fence(desk: Desk, group: ConsumerGroup, member_ids: Collection[str]) -> None:
    """Let members be none any more; the group becomes a classic one if only classic members are left."""
    if not member_ids:
        return
    for member_id in member_ids:
        desk.end_timers(group.group_id, member_id)
    left = len(group.members) - len(member_ids)
    downgrade = left > 0 and migrating.may_turn_classic(desk, group, gone=member_ids, size=left)
    for member_id in member_ids:
        group.remove(member_id)
    if downgrade:
        migrating.to_classic(desk, group, rebalances=True)
        return
    for regex in [regex for regex in group.resolved if regex not in group.regexes()]:
        del group.resolved[regex]
    group.epoch += 1
    group.metadata = look_up(desk, group)
    if not group.members and not desk.early:
        # Since 4.4 nobody's assignment is as new as can be, and the next one need not wait for an interval.
        group.target_epoch, group.target_at = group.epoch, None


def step_out(group: ConsumerGroup, member: ConsumerMember) -> None:
    """A static member goes, and will be back: its partitions are kept, until its session runs out."""
    group.put(attrs.evolve(member, epoch=AWAY, revoking={}, assigned=dict.fromkeys(member.assigned, 0)))


def rang(desk: Desk, group: ConsumerGroup, timer: Timer) -> None:
    """A member was not heard in time, did not give up its partitions in time, or did not rejoin in time."""
    member = group.members.get(timer.member_id)
    if member is None:
        return
    if timer.kind == "rebalance" and (member.state is not MemberState.UNREVOKED or member.epoch == AWAY):
        return
    fence(desk, group, [timer.member_id])
