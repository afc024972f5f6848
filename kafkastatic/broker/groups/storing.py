"""What a coordinator writes down of a classic group, for the one that takes over. Pure.

Written are: a new or empty group, the assignments of a generation, a static member's successor. What happens in between
(joins, members given up, a rebalance) is lost when the group moves: it goes on as it was last written.
"""

from __future__ import annotations

from kafkastatic.broker.groups.group import ClassicGroup, GroupState, Member, Protocols


def store(group: ClassicGroup) -> None:
    """Write the group down as it is; of each member's protocols only the chosen one."""
    stored = ClassicGroup(group.group_id)
    stored.generation = group.generation
    stored.protocol_type = group.protocol_type
    stored.protocol = group.protocol
    for member in group.members.values():
        stored.add(_copy(group, member), group.protocol_type or "")
    stored.leader = group.leader
    if group.members:
        stored.to(GroupState.STABLE)
    group.stored = stored


def store_successor(group: ClassicGroup, predecessor: str, member: Member) -> None:
    """Write down that a static member of a stable group has another member id, and what it asked for."""
    stored = group.stored
    if stored is None:
        raise RuntimeError(f"Group {group.group_id} is stable and was not stored.")
    known = stored.members[predecessor]
    stored.rename(known, member.member_id)
    stored.update(known, _chosen(group, member), member.rebalance_timeout_ms, member.session_timeout_ms)


def reloaded(group: ClassicGroup) -> ClassicGroup | None:
    """The group as another coordinator finds it; `None` if nothing was written."""
    stored = group.stored
    if stored is not None:
        store(stored)
        stored.subscribed = stored.topics()
    return stored


def _copy(group: ClassicGroup, member: Member) -> Member:
    return Member(
        member.member_id,
        member.instance_id,
        member.client_id,
        member.host,
        member.session_timeout_ms,
        member.rebalance_timeout_ms,
        _chosen(group, member),
        member.assignment,
    )


def _chosen(group: ClassicGroup, member: Member) -> Protocols:
    return tuple(entry for entry in member.protocols if entry[0] == group.protocol)
