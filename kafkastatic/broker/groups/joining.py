"""JoinGroup: the way in, and back in. Pure.

A static member that comes without a member id replaces whoever has its instance id, whatever that one is doing
(KIP-345). In a stable group nobody else notices, unless another protocol would be chosen now.
"""

from __future__ import annotations

from kafkastatic._protocol.error_codes import (
    FENCED_INSTANCE_ID,
    GROUP_MAX_SIZE_REACHED,
    INCONSISTENT_GROUP_PROTOCOL,
    INVALID_GROUP_ID,
    INVALID_SESSION_TIMEOUT,
    MEMBER_ID_REQUIRED,
    NONE,
    UNKNOWN_MEMBER_ID,
    UNKNOWN_SERVER_ERROR,
)
from kafkastatic._protocol.messages.join_group import JoinGroupRequest
from kafkastatic.broker.groups.consumer import classic
from kafkastatic.broker.groups.desk import Asked, Desk, Timer
from kafkastatic.broker.groups.group import ClassicGroup, GroupState, Member, Protocols
from kafkastatic.broker.groups.rebalancing import complete_if_all_joined, rebalance, rebalance_or_complete
from kafkastatic.broker.groups.storing import store, store_successor

NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""How long a new member's join may be parked: it cannot send heartbeats yet."""


def join(desk: Desk, asked: Asked) -> None:
    request: JoinGroupRequest = asked.request
    settings = desk.settings
    if not request.group_id:
        desk.refuse_join(asked, INVALID_GROUP_ID, request.member_id)
    elif not (
        settings.group_min_session_timeout_ms <= request.session_timeout_ms <= settings.group_max_session_timeout_ms
    ):
        desk.refuse_join(asked, INVALID_SESSION_TIMEOUT, request.member_id)
    elif (consumers := desk.consumer_group(request.group_id)) is not None and consumers.members:
        classic.join(desk, asked, consumers)
    elif desk.classic_group(request.group_id) is None and request.member_id:
        desk.refuse_join(asked, UNKNOWN_MEMBER_ID, request.member_id)
    else:
        _enter(desk, asked, _group(desk, request.group_id))


def _group(desk: Desk, group_id: str) -> ClassicGroup:
    """The group; one of consumers that has no members becomes a classic one."""
    group = desk.classic_group(group_id)
    if group is None:
        group = desk.groups[group_id] = ClassicGroup(group_id)
        store(group)
    return group


def _enter(desk: Desk, asked: Asked, group: ClassicGroup) -> None:
    request: JoinGroupRequest = asked.request
    if not _has_room(group, request.member_id, desk.settings.group_max_size):
        group.remove(request.member_id)
        desk.refuse_join(asked, GROUP_MAX_SIZE_REACHED)
        if desk.older:
            # Since 4.0 nobody looks whether the others have all joined, and they wait for the rebalance timeout.
            complete_if_all_joined(desk, group)
    elif not group.supports(request.protocol_type, request.protocols):
        desk.refuse_join(asked, INCONSISTENT_GROUP_PROTOCOL, request.member_id)
    elif request.member_id:
        _join_known(desk, asked, group)
    elif request.group_instance_id is None:
        _join_dynamic(desk, asked, group)
    else:
        _join_static(desk, asked, group, request.group_instance_id)


def _has_room(group: ClassicGroup, member_id: str, limit: int) -> bool:
    """Whether the group has a place for this member id; a static member that restarts comes without one (81)."""
    member = group.members.get(member_id)
    match group.state:
        case GroupState.EMPTY:
            return True
        case GroupState.PREPARING:
            # Who comes back late from among too many is not let in again.
            return (member is not None and member.joining is not None) or group.awaiting < limit
        case _:
            return member is not None or len(group.members) < limit


def _join_dynamic(desk: Desk, asked: Asked, group: ClassicGroup) -> None:
    member_id = f"{asked.client_id}-{desk.new_id()}"
    if asked.version < 4:
        _add(desk, asked, group, member_id)
        return
    # It is to come again with this id (KIP-394), so that lost answers leave no members behind.
    group.pending.add(member_id)
    desk.ring(Timer("session", group.group_id, member_id), asked.request.session_timeout_ms)
    desk.refuse_join(asked, MEMBER_ID_REQUIRED, member_id)


def _join_static(desk: Desk, asked: Asked, group: ClassicGroup, instance_id: str) -> None:
    member_id = f"{instance_id}-{desk.new_id()}"
    owner = group.static.get(instance_id)
    if owner is None:
        _add(desk, asked, group, member_id)
    else:
        _replace(desk, asked, group, group.members[owner], member_id)


def _join_known(desk: Desk, asked: Asked, group: ClassicGroup) -> None:
    request: JoinGroupRequest = asked.request
    if request.member_id in group.pending:
        if request.group_instance_id is not None:
            desk.refuse_join(asked, UNKNOWN_SERVER_ERROR)
        else:
            _add(desk, asked, group, request.member_id)
        return
    code = group.validate(request.member_id, request.group_instance_id)
    if code != NONE:
        desk.refuse_join(asked, code, request.member_id)
        return
    member = group.members[request.member_id]
    same = member.protocols == _protocols(request)
    leads = group.leader == member.member_id
    if same and (group.state is GroupState.COMPLETING or (group.state is GroupState.STABLE and not leads)):
        # It may have missed the answer. A leader of a stable group has a reason to come: what it knows of the topics.
        desk.answer_join(asked, group, member)
    else:
        _update(asked, group, member)
        rebalance_or_complete(desk, group)


def _add(desk: Desk, asked: Asked, group: ClassicGroup, member_id: str) -> None:
    request: JoinGroupRequest = asked.request
    member = Member(
        member_id,
        request.group_instance_id,
        asked.client_id,
        asked.host,
        request.session_timeout_ms,
        _rebalance_timeout_ms(asked),
        _protocols(request),
    )
    member.new = True
    if group.state is GroupState.PREPARING and group.previous is GroupState.EMPTY:
        group.newcomers = True
    group.add(member, request.protocol_type)
    group.park_join(member, asked.parked)
    desk.restart_session(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS)
    rebalance_or_complete(desk, group)


def _replace(desk: Desk, asked: Asked, group: ClassicGroup, member: Member, member_id: str) -> None:
    """A static member comes back without its member id: whoever has its place is fenced, parked requests at once."""
    leader, predecessor = group.leader, member.member_id
    desk.refuse_parked_join(group, member, FENCED_INSTANCE_ID, predecessor)
    desk.refuse_parked_sync(member, FENCED_INSTANCE_ID)
    desk.end_session(group, predecessor)
    group.rename(member, member_id)
    # The predecessor's timeout: its own counts from its first heartbeat or commit on.
    desk.restart_session(group, member)
    _update(asked, group, member)
    if group.state is GroupState.COMPLETING:
        # The leader may already have been told the old member id.
        rebalance(desk, group)
    elif group.state is GroupState.PREPARING:
        complete_if_all_joined(desk, group)
    elif group.select_protocol(older=desk.older) != group.protocol:
        rebalance(desk, group)
    else:
        store_successor(group, predecessor, member)
        _answer_successor(desk, asked, group, member, leader)


def _answer_successor(desk: Desk, asked: Asked, group: ClassicGroup, member: Member, leader: str | None) -> None:
    """The present generation, which goes on; a leader is told not to assign anything (KIP-814).

    Before version 9 it could not be told so, and hears the old leader's id: it takes itself for a follower.
    """
    group.take_join(member)
    if asked.version >= 9:
        desk.answer_join(asked, group, member, skip=group.leader == member.member_id)
    else:
        desk.answer_join(asked, group, member, leader=leader)


def _update(asked: Asked, group: ClassicGroup, member: Member) -> None:
    request: JoinGroupRequest = asked.request
    group.update(member, _protocols(request), _rebalance_timeout_ms(asked), request.session_timeout_ms)
    group.park_join(member, asked.parked)


def _protocols(request: JoinGroupRequest) -> Protocols:
    return tuple((protocol.name, protocol.metadata) for protocol in request.protocols)


def _rebalance_timeout_ms(asked: Asked) -> int:
    # Version 0 has one timeout for both.
    return asked.request.rebalance_timeout_ms if asked.version > 0 else asked.request.session_timeout_ms
