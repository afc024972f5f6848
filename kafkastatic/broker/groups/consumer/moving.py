"""A consumer group whose coordinator changes, or comes back: all of it was written down, its timers were not. Pure."""

from __future__ import annotations

from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.consumer.heartbeating import schedule_rebalance
from kafkastatic.broker.groups.desk import Desk, Timer


def reload(desk: Desk, group: ConsumerGroup, *, loaded: bool) -> None:
    """All sessions start anew, with the group's own timeout also those of classic members.

    Args:
        loaded: whether there is another coordinator; until one is there, no session runs out.
    """
    for member_id in group.members:
        desk.end_timers(group.group_id, member_id)
    group.seen = frozenset()
    for member in group.members.values() if loaded else ():
        timeout = desk.settings.group_consumer_session_timeout_ms
        desk.ring(Timer("session", group.group_id, member.member_id), timeout)
        schedule_rebalance(desk, group, member)
