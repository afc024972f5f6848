"""SyncGroup and Heartbeat: life within a generation. Pure."""

from __future__ import annotations

from kafkastatic._protocol.error_codes import (
    ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL,
    INVALID_GROUP_ID,
    NONE,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
)
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkastatic.broker.groups.consumer import classic
from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.desk import Asked, Desk, assigned
from kafkastatic.broker.groups.group import ClassicGroup, GroupState
from kafkastatic.broker.groups.rebalancing import hand_out, synced
from kafkastatic.broker.groups.storing import store


def sync(desk: Desk, asked: Asked) -> None:
    request: SyncGroupRequest = asked.request
    consumers = desk.consumer_group(request.group_id)
    if consumers is not None and consumers.members and _lacks(asked) == NONE:
        classic.sync(desk, asked, consumers)
        return
    group = desk.classic_group(request.group_id)
    code = _refused(asked, group)
    if code != NONE or group is None:
        desk.reply(asked, SyncGroupResponse(error_code=code))
        return
    member = group.members[request.member_id]
    synced(desk, group, member.member_id)
    if group.state is GroupState.COMPLETING:
        member.syncing = asked.parked
        if group.leader == member.member_id:
            _assign(desk, group, request)
        return
    desk.reply(asked, assigned(group, member))
    if desk.older:
        # Since 4.0 the session of a static member's successor goes on with its predecessor's timeout until it is heard.
        desk.restart_session(group, member)


def _refused(asked: Asked, group: ClassicGroup | None) -> int:
    request: SyncGroupRequest = asked.request
    lacks = _lacks(asked)
    if lacks != NONE:
        return lacks
    if group is None:
        return UNKNOWN_MEMBER_ID
    code = _not_of_this_generation(group, request)
    if code != NONE:
        return code
    if _differ(request.protocol_type, group.protocol_type) or _differ(request.protocol_name, group.protocol):
        return INCONSISTENT_GROUP_PROTOCOL
    return REBALANCE_IN_PROGRESS if group.state is GroupState.PREPARING else NONE


def _lacks(asked: Asked) -> int:
    """The error of a request that lacks something."""
    request: SyncGroupRequest = asked.request
    if asked.version >= 5 and (request.protocol_type is None or request.protocol_name is None):
        return INCONSISTENT_GROUP_PROTOCOL
    return NONE if request.group_id else INVALID_GROUP_ID


def _differ(said: str | None, known: str | None) -> bool:
    return said is not None and known is not None and said != known


def _assign(desk: Desk, group: ClassicGroup, request: SyncGroupRequest) -> None:
    given = {entry.member_id: entry.assignment for entry in request.assignments}
    for member in group.members.values():
        member.assignment = given.get(member.member_id, b"")
    hand_out(desk, group)
    group.to(GroupState.STABLE)
    store(group)


def heartbeat(desk: Desk, asked: Asked) -> None:
    request: HeartbeatRequest = asked.request
    group = desk.groups.get(request.group_id)
    code = _heard(desk, group, request) if request.group_id else INVALID_GROUP_ID
    desk.reply(asked, HeartbeatResponse(error_code=code))


def _heard(desk: Desk, group: ClassicGroup | ConsumerGroup | None, request: HeartbeatRequest) -> int:
    if group is None:
        return UNKNOWN_MEMBER_ID
    if isinstance(group, ConsumerGroup):
        return classic.heartbeat(desk, request, group)
    code = _not_of_this_generation(group, request)
    if code != NONE:
        return code
    desk.restart_session(group, group.members[request.member_id])
    return REBALANCE_IN_PROGRESS if group.state is GroupState.PREPARING else NONE


def _not_of_this_generation(group: ClassicGroup, request: SyncGroupRequest | HeartbeatRequest) -> int:
    code = group.validate(request.member_id, request.group_instance_id)
    if code == NONE and request.generation_id != group.generation:
        return ILLEGAL_GENERATION
    return code
