"""LeaveGroup: members that go, and members that are removed by their instance id. Pure."""

from __future__ import annotations

from kafkastatic._protocol.error_codes import INVALID_GROUP_ID, NONE, UNKNOWN_MEMBER_ID
from kafkastatic._protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kafkastatic.broker.groups.consumer import classic
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, Refused
from kafkastatic.broker.groups.consumer.leaving import fence
from kafkastatic.broker.groups.desk import Asked, Desk
from kafkastatic.broker.groups.group import ClassicGroup, GroupState
from kafkastatic.broker.groups.rebalancing import complete_if_all_joined, rebalance_or_complete, remove


def leave(desk: Desk, asked: Asked) -> None:
    request: LeaveGroupRequest = asked.request
    if not request.group_id:
        desk.reply(asked, LeaveGroupResponse(error_code=INVALID_GROUP_ID))
        return
    members = request.members if asked.version >= 3 else [MemberIdentity(member_id=request.member_id)]
    consumers = desk.consumer_group(request.group_id)
    if consumers is not None:
        _answer(desk, asked, members, _leave_consumers(desk, consumers, members))
        return
    group = desk.classic_group(request.group_id)
    pending = frozenset(group.pending) if group is not None else frozenset[str]()
    codes = [_leave(desk, group, member) for member in members]
    _answer(desk, asked, members, codes)
    left = [member.member_id for member, code in zip(members, codes, strict=True) if code == NONE]
    if group is not None and left and group.state is not GroupState.EMPTY:
        _go_on(desk, group, none_joined=pending.issuperset(left))


def _answer(desk: Desk, asked: Asked, members: list[MemberIdentity], codes: list[int]) -> None:
    if asked.version < 3:
        desk.reply(asked, LeaveGroupResponse(error_code=codes[0]))
    else:
        desk.reply(asked, LeaveGroupResponse(members=map(_said, members, codes)))


def _leave_consumers(desk: Desk, group: ConsumerGroup, members: list[MemberIdentity]) -> list[int]:
    codes: list[int] = []
    gone: dict[str, None] = {}
    for member in members:
        try:
            gone[classic.leave(desk, group, member)] = None
            codes.append(NONE)
        except Refused as refused:
            codes.append(refused.code)
    fence(desk, group, gone)
    return codes


def _go_on(desk: Desk, group: ClassicGroup, *, none_joined: bool) -> None:
    # Since 4.0 a stable group rebalances even when one leaves that has never joined it.
    if none_joined and desk.older:
        complete_if_all_joined(desk, group)
    else:
        rebalance_or_complete(desk, group)


def _said(member: MemberIdentity, code: int) -> MemberResponse:
    return MemberResponse(member_id=member.member_id, group_instance_id=member.group_instance_id, error_code=code)


def _leave(desk: Desk, group: ClassicGroup | None, leaver: MemberIdentity) -> int:
    if group is None:
        return UNKNOWN_MEMBER_ID
    if leaver.member_id in group.pending:
        remove(desk, group, leaver.member_id)
        return NONE
    member_id = leaver.member_id
    if not member_id and leaver.group_instance_id is not None:
        # Whoever owns the instance id now: an administrator does not know member ids.
        member_id = group.static.get(leaver.group_instance_id, "")
    code = group.validate(member_id, leaver.group_instance_id)
    if code == NONE:
        desk.refuse_parked_join(group, group.members[member_id], UNKNOWN_MEMBER_ID)
        remove(desk, group, member_id)
    return code
