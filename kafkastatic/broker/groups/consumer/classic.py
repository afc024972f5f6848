"""Members that speak the classic protocol in a consumer group: each one's join and sync are answered at once. Pure.

They are told of a new target by REBALANCE_IN_PROGRESS, and join to get it: what a heartbeat says of other members, a
join says of them.
"""

from __future__ import annotations

import attrs

from kafkastatic._protocol.consumer_protocol import Subscription, decode_subscription
from kafkastatic._protocol.error_codes import (
    ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL,
    MEMBER_ID_REQUIRED,
    NONE,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    UNKNOWN_SERVER_ERROR,
)
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkastatic._protocol.messages.leave_group import MemberIdentity
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkastatic.broker.groups.consumer import migrating, regexes
from kafkastatic.broker.groups.consumer.entering import check_room, succeed, successor
from kafkastatic.broker.groups.consumer.group import (
    Classic,
    ConsumerGroup,
    ConsumerMember,
    MemberState,
    Place,
    Refused,
)
from kafkastatic.broker.groups.consumer.reconciling import reconcile
from kafkastatic.broker.groups.consumer.targets import bump_if_changed, update_target
from kafkastatic.broker.groups.desk import Asked, Desk, Timer
from kafkastatic.broker.groups.group import CONSUMER
from kafkastatic.errors import ProtocolError


def join(desk: Desk, asked: Asked, group: ConsumerGroup) -> None:
    """A join to a consumer group that has members."""
    request: JoinGroupRequest = asked.request
    member_id = request.member_id or desk.new_id()
    try:
        _check_join(desk, group, request, member_id)
        if not request.member_id and request.group_instance_id is None and asked.version >= 4:
            desk.refuse_join(asked, MEMBER_ID_REQUIRED, member_id)
            return
        before, predecessor = _member(group, request, member_id)
        subscription = _subscription(desk, request)
    except Refused as refused:
        desk.refuse_join(asked, refused.code)
        return
    owner = group.owner(request.group_instance_id)
    # In 3.9 a group becomes a classic one only when somebody leaves it.
    downgrades = (
        not desk.early
        and owner is not None
        and owner.classic is None
        and migrating.may_turn_classic(desk, group, gone=[owner.member_id], size=len(group.members))
    )
    succeed(desk, group, predecessor, before)
    after = _updated(asked, before, subscription)
    group.put(after)
    _go_on(desk, asked, group, before, after, subscription, downgrades=downgrades)


def _check_join(desk: Desk, group: ConsumerGroup, request: JoinGroupRequest, member_id: str) -> None:
    check_room(desk, group, member_id, request.group_instance_id)
    names = [protocol.name for protocol in request.protocols]
    known = [dict(member.classic.protocols) for member in group.members.values() if member.classic is not None]
    if request.protocol_type != CONSUMER or not any(all(name in others for others in known) for name in names):
        raise Refused(INCONSISTENT_GROUP_PROTOCOL, f"Member {member_id}'s protocols are not supported.")


def _member(
    group: ConsumerGroup, request: JoinGroupRequest, member_id: str
) -> tuple[ConsumerMember, ConsumerMember | None]:
    """The member as it is, and the one whose place it takes: by the classic protocol the last one to come wins."""
    if request.group_instance_id is None:
        return group.members.get(member_id) or ConsumerMember(member_id=member_id), None
    if request.member_id:
        return group.find(request.member_id, request.group_instance_id), None
    owner = group.owner(request.group_instance_id)
    if owner is None:
        return ConsumerMember(member_id=member_id), None
    return successor(owner, member_id), owner


def _subscription(desk: Desk, request: JoinGroupRequest) -> Subscription:
    try:
        return decode_subscription(request.protocols[0].metadata)
    except ProtocolError:
        code = UNKNOWN_SERVER_ERROR if desk.early else INCONSISTENT_GROUP_PROTOCOL
        raise Refused(code, "The subscription cannot be read.") from None


def _updated(asked: Asked, member: ConsumerMember, subscription: Subscription) -> ConsumerMember:
    request: JoinGroupRequest = asked.request
    protocols = tuple((protocol.name, protocol.metadata) for protocol in request.protocols)
    return attrs.evolve(
        member,
        instance_id=member.instance_id if request.group_instance_id is None else request.group_instance_id,
        rack_id=subscription.rack or member.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        topics=frozenset(subscription.topics),
        regex="",
        client_id=asked.client_id,
        host=asked.host,
        classic=Classic(request.session_timeout_ms, protocols),
    )


def _go_on(
    desk: Desk,
    asked: Asked,
    group: ConsumerGroup,
    before: ConsumerMember,
    after: ConsumerMember,
    subscription: Subscription,
    *,
    downgrades: bool,
) -> None:
    resubscribed = after.topics != before.topics or after.regex != before.regex
    bump_if_changed(desk, group, resubscribed=resubscribed)
    stale = group.target_epoch < group.epoch
    if not downgrades:
        update_target(desk, group)
    member = after
    if not (downgrades and stale):
        owned = _places(desk, subscription)
        member = reconcile(desk, group, after, owned=owned, resubscribed=resubscribed)
        group.put(member)
    desk.end_timers(group.group_id, member.member_id)
    if downgrades:
        migrating.to_classic(desk, group, rebalances=stale)
    else:
        migrating.restart_classic_session(desk, group, member)
        desk.ring(Timer("sync", group.group_id, member.member_id), member.rebalance_timeout_ms)
        regexes.resolve(desk, group)
    desk.reply(
        asked,
        JoinGroupResponse(
            generation_id=member.epoch,
            protocol_type=CONSUMER,
            protocol_name=asked.request.protocols[0].name,
            member_id=member.member_id,
        ),
    )


def _places(desk: Desk, subscription: Subscription) -> frozenset[Place]:
    """What a joining member says it owns."""
    named = [(desk.catalog.topic_id(topic), number) for topic, number in subscription.owned]
    return frozenset((topic_id, number) for topic_id, number in named if topic_id is not None)


def sync(desk: Desk, asked: Asked, group: ConsumerGroup) -> None:
    request: SyncGroupRequest = asked.request
    try:
        member, classic = _of_this_epoch(group, request)
        chosen = classic.protocols[0][0]
        if request.protocol_type not in (None, CONSUMER) or request.protocol_name not in (None, chosen):
            raise Refused(INCONSISTENT_GROUP_PROTOCOL, "It joined by another protocol.")
        if group.target_epoch > member.epoch and member.state is not MemberState.UNREVOKED:
            _await_join(desk, group, member)
            raise Refused(REBALANCE_IN_PROGRESS, "It is to join again.")
    except Refused as refused:
        desk.reply(asked, SyncGroupResponse(error_code=refused.code))
        return
    desk.timers.cancel(Timer("sync", group.group_id, member.member_id))
    migrating.restart_classic_session(desk, group, member)
    desk.reply(
        asked,
        SyncGroupResponse(
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignment=migrating.encoded(desk, member),
        ),
    )


def heartbeat(desk: Desk, request: HeartbeatRequest, group: ConsumerGroup) -> int:
    """The error code of the answer."""
    try:
        member, _ = _of_this_epoch(group, request)
    except Refused as refused:
        return refused.code
    migrating.restart_classic_session(desk, group, member)
    if (
        member.epoch < group.target_epoch
        or member.state is MemberState.UNREVOKED
        or (member.state is MemberState.UNRELEASED and not _still_waits(group, member))
    ):
        _await_join(desk, group, member)
        return REBALANCE_IN_PROGRESS
    return NONE


def _of_this_epoch(
    group: ConsumerGroup, request: SyncGroupRequest | HeartbeatRequest
) -> tuple[ConsumerMember, Classic]:
    member = group.find(request.member_id, request.group_instance_id)
    if member.classic is None:
        raise Refused(UNKNOWN_MEMBER_ID, f"Member {member.member_id} does not use the classic protocol.")
    if request.generation_id != member.epoch:
        raise Refused(ILLEGAL_GENERATION, f"The member epoch is {member.epoch}.")
    return member, member.classic


def _still_waits(group: ConsumerGroup, member: ConsumerMember) -> bool:
    missing = group.target.get(member.member_id, frozenset[Place]()) - member.assigned.keys()
    return any(place in group.owners for place in missing)


def _await_join(desk: Desk, group: ConsumerGroup, member: ConsumerMember) -> None:
    """It is told to join, and has its rebalance timeout for it from when it was first told."""
    timer = Timer("join", group.group_id, member.member_id)
    if not desk.timers.has(timer):
        desk.ring(timer, member.rebalance_timeout_ms)


def leave(desk: Desk, group: ConsumerGroup, leaver: MemberIdentity) -> str:
    """The member id of one that leaves, or is removed by its instance id.

    Raises:
        Refused: if it is none; with 3.9 also if it speaks the other protocol (KAFKA-18188).
    """
    member = group.owner(leaver.group_instance_id) if not leaver.member_id else None
    member = member or group.find(leaver.member_id, leaver.group_instance_id)
    if desk.early and member.classic is None:
        raise Refused(UNKNOWN_MEMBER_ID, f"Member {member.member_id} does not use the classic protocol.")
    return member.member_id
